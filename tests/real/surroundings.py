"""What our stacks take from those of others, as resources that exist already."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from cdk.grants import NEEDS
from cdk.wiring import FUNCTIONS
from tests.real.emulated_templates import PLACE

DATA_KEY = f"arn:aws:kms:{PLACE}:key/data"
CLUSTER_KEY = f"arn:aws:kms:{PLACE}:key/cluster"
ELSEWHERE = {"kafka_credentials", "kafka_ca", "edge_secret"}


@dataclass(frozen=True)
class Firewall:
    functions: Any
    pollers: Any


@dataclass(frozen=True)
class Network:
    vpc: Any
    firewall: Firewall


@dataclass(frozen=True)
class Data:
    proxy: Any
    archive: Any
    data_key: Any
    secrets: dict[str, Any]
    kafka_credentials: dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    bootstrap_servers: str
    kafka_ca: Any


def secret_arn(name: str) -> str:
    return f"arn:aws:secretsmanager:{PLACE}:secret:{name}-AbCdEf"


def secret(stack: Stack, name: str, key: kms.IKey) -> secretsmanager.ISecret:
    return secretsmanager.Secret.from_secret_attributes(
        stack, name, secret_complete_arn=secret_arn(name), encryption_key=key
    )


def network(stack: Stack, vpc: ec2.IVpc) -> Network:
    groups = (
        ec2.SecurityGroup.from_security_group_id(stack, name, f"sg-{n:017x}")
        for n, name in enumerate(("functions", "pollers"))
    )
    return Network(vpc, Firewall(*groups))


def data(stack: Stack) -> Data:
    key = kms.Key.from_key_arn(stack, "DataKey", DATA_KEY)
    names = {name for needs in NEEDS.values() for name in needs.secrets} - ELSEWHERE
    return Data(
        proxy=rds.DatabaseProxy.from_database_proxy_attributes(
            stack,
            "Proxy",
            db_proxy_arn=f"arn:aws:rds:{PLACE}:db-proxy:prx-0",
            db_proxy_name="stoa",
            endpoint="stoa.proxy-x.eu-west-1.rds.amazonaws.com",
            security_groups=[],
        ),
        archive=s3.Bucket.from_bucket_attributes(stack, "Archive", bucket_name="stoa-archive", encryption_key=key),
        data_key=key,
        secrets={name: secret(stack, name, key) for name in sorted(names)},
        kafka_credentials={f.name: secret(stack, f"kafka-{f.name}", key) for f in FUNCTIONS},
    )


def cluster(stack: Stack) -> Cluster:
    key = kms.Key.from_key_arn(stack, "ClusterKey", CLUSTER_KEY)
    servers = ",".join(f"b-{n}.kafka.stoa.internal:9094" for n in range(3))
    return Cluster(servers, secret(stack, "kafka_ca", key))
