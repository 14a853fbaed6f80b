"""What functions stand in: the network, the data, the cluster. Any stacks with these attributes will do."""

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager


class Firewall(Protocol):
    @property
    def functions(self) -> ec2.ISecurityGroup: ...
    @property
    def pollers(self) -> ec2.ISecurityGroup: ...


class Network(Protocol):
    @property
    def vpc(self) -> ec2.IVpc: ...
    @property
    def firewall(self) -> Firewall: ...


class Data(Protocol):
    """`secrets` by the names of Settings' fields; `kafka_credentials` by the names of functions."""

    @property
    def proxy(self) -> rds.IDatabaseProxy: ...
    @property
    def archive(self) -> s3.IBucket: ...
    @property
    def data_key(self) -> kms.IKey: ...
    @property
    def secrets(self) -> Mapping[str, secretsmanager.ISecret]: ...
    @property
    def kafka_credentials(self) -> Mapping[str, secretsmanager.ISecret]: ...


class Cluster(Protocol):
    """`bootstrap_servers` with commas between; `kafka_ca` is JSON with the PEM as "certificate"."""

    @property
    def bootstrap_servers(self) -> str: ...
    @property
    def kafka_ca(self) -> secretsmanager.ISecret: ...
