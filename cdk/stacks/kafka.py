"""Redpanda: three brokers, TLS signed by cert-manager, SCRAM, and for each broker a name outside the cluster.

Source of the values: https://docs.redpanda.com/current/reference/k-redpanda-helm-spec/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.stacks import kafka_access as access
from cdk.stacks.cluster_charts import STORE, ClusterCharts, binding, external_secret
from cdk.stacks.cluster_secrets import ClusterSecrets

CHART = "26.3.1"
REPOSITORY = "https://charts.redpanda.com"
ZONE = "kafka.stoa.internal"
PORT = 9094
NAMES = tuple(f"b-{number}" for number in range(access.BROKERS))
CPU, MEMORY = "750m", "2560Mi"
OPERATOR_VALUES = {
    "crds": {"enabled": True},
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
}


def values() -> dict[str, Any]:
    """Of the chart. Only the listener for Kafka is there for others; the brokers spread over machines and zones."""
    issuer = {"issuerRef": {"name": access.CA_SECRET, "kind": "Issuer"}, "caEnabled": True}
    return {
        "auth": {
            "sasl": {
                "enabled": True,
                "mechanism": access.MECHANISM,
                # its file has the superuser, from Secrets Manager; functions' users are resources of the operator
                "secretRef": access.ADMIN_SECRET,
                "users": [],
            }
        },
        "tls": {
            "enabled": True,
            "certs": {"default": {**issuer, "applyInternalDNSNames": True}, "external": issuer},
        },
        "external": {
            "enabled": True,
            "service": {"enabled": False},
            "domain": ZONE,
            "addresses": list(NAMES),
        },
        "listeners": _listeners(),
        "resources": {
            "requests": {"cpu": CPU, "memory": MEMORY},
            "limits": {"memory": MEMORY},
        },
        "rackAwareness": {"enabled": True},
        "storage": {"persistentVolume": {"enabled": True, "size": "50Gi", "storageClass": "gp3"}},
        "statefulset": {"replicas": access.BROKERS},
        "config": {"cluster": {"auto_create_topics_enabled": False, "default_topic_replications": access.BROKERS}},
        "logging": {"usageStats": {"enabled": False}},
        "monitoring": {"enabled": False},
        "tests": {"enabled": False},
        "console": {
            "enabled": True,
            "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        },
    }


def _listeners() -> dict[str, Any]:
    closed = {"external": {"default": {"enabled": False}}}
    return {
        "kafka": {"external": {"default": {"port": PORT, "advertisedPorts": [PORT], "tls": {"cert": "external"}}}},
        "admin": closed,
        "http": {"enabled": False, **closed},
        "schemaRegistry": {"enabled": False, **closed},
    }


def authority() -> list[dict[str, Any]]:
    """Signs the brokers' certificates. Its own is pushed to where the functions and the event sources find it."""
    place = {"name": access.CA_SECRET, "namespace": access.NAMESPACE}
    root = {"name": "self-signed", "namespace": access.NAMESPACE}
    group = {"apiVersion": "cert-manager.io/v1"}
    return [
        {**group, "kind": "Issuer", "metadata": root, "spec": {"selfSigned": {}}},
        {
            **group,
            "kind": "Certificate",
            "metadata": place,
            "spec": {
                "isCA": True,
                "commonName": "STOA Kafka",
                "secretName": access.CA_SECRET,
                "duration": "87600h",
                "privateKey": {"algorithm": "ECDSA", "size": 256},
                "issuerRef": {"name": "self-signed", "kind": "Issuer"},
            },
        },
        {**group, "kind": "Issuer", "metadata": place, "spec": {"ca": {"secretName": access.CA_SECRET}}},
    ]


def push_authority(stage: str) -> dict[str, Any]:
    return {
        "apiVersion": "external-secrets.io/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": access.CA_SECRET, "namespace": access.NAMESPACE},
        "spec": {
            "updatePolicy": "Replace",
            "deletionPolicy": "None",
            "refreshInterval": "1h",
            "secretStoreRefs": [{"kind": "ClusterSecretStore", "name": STORE}],
            "selector": {"secret": {"name": access.CA_SECRET}},
            "data": [
                {
                    "match": {
                        "secretKey": "ca.crt",
                        "remoteRef": {"remoteKey": f"stoa/{stage}/kafka-ca", "property": "certificate"},
                    }
                }
            ],
        },
    }


def passwords(stage: str, kafka: Mapping[str, secretsmanager.ISecret]) -> list[dict[str, Any]]:
    """The superuser's file as the chart reads it, and each function's password for the operator."""
    admin = external_secret(
        access.ADMIN_SECRET, access.NAMESPACE, f"stoa/{stage}/kafka-admin", {"password": "password"}
    )
    line = f"{access.ADMIN}:{{{{ .password }}}}:{access.MECHANISM}"
    admin["spec"]["target"]["template"] = {"data": {"users.txt": line, "password": "{{ .password }}"}}
    return [admin, *(_password_of(function.name, kafka) for function in access.kafka_users())]


def _password_of(function: str, kafka: Mapping[str, secretsmanager.ISecret]) -> dict[str, Any]:
    name = f"kafka-{access.resource_name(function)}"
    return external_secret(name, access.NAMESPACE, kafka[function].secret_name, {"password": "password"})


class Kafka(Construct):
    """`bootstrap_servers` as clients in the VPC write it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: str,
        charts: ClusterCharts,
        secrets: ClusterSecrets,
        vpc: ec2.IVpc,
        security_groups: Sequence[ec2.ISecurityGroup],
    ) -> None:
        super().__init__(scope, construct_id)
        before = charts.manifest("KafkaSecrets", *authority(), push_authority(stage), *passwords(stage, secrets.kafka))
        before.node.add_dependency(*charts.ready)
        operator = self._chart(charts, "RedpandaOperator", "operator", OPERATOR_VALUES)
        brokers = self._chart(charts, "Redpanda", "redpanda", values())
        brokers.node.add_dependency(before)
        topics = charts.manifest("KafkaAccess", *access.manifests())
        topics.node.add_dependency(operator, brokers)
        self._entrances(charts, vpc, security_groups)
        self.bootstrap_servers = ",".join(f"{name}.{ZONE}:{PORT}" for name in NAMES)

    def _chart(self, charts: ClusterCharts, name: str, chart: str, given: dict[str, Any]) -> eks.HelmChart:
        """Operator and brokers are released together, with one number."""
        return charts.chart(
            name, chart=chart, version=CHART, repository=REPOSITORY, namespace=access.NAMESPACE, values=given
        )

    def _entrances(self, charts: ClusterCharts, vpc: ec2.IVpc, security_groups: Sequence[ec2.ISecurityGroup]) -> None:
        """A client is told each broker's own name, so each has its own load balancer."""
        zone = route53.PrivateHostedZone(self, "Zone", zone_name=ZONE, vpc=vpc)
        objects: list[dict[str, Any]] = []
        groups: list[str] = []
        for number, name in enumerate(NAMES):
            balancer = elbv2.NetworkLoadBalancer(
                self,
                f"Balancer{number}",
                vpc=vpc,
                internet_facing=False,
                vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                # those of the machines: who may speak to the brokers is said once, in the firewall
                security_groups=list(security_groups),
                cross_zone_enabled=True,
            )
            group = elbv2.NetworkTargetGroup(
                self, f"Broker{number}", vpc=vpc, port=PORT, target_type=elbv2.TargetType.IP
            )
            balancer.add_listener("Kafka", port=PORT, default_target_groups=[group])
            alias = targets.LoadBalancerTarget(balancer)
            route53.ARecord(
                self, f"Name{number}", zone=zone, record_name=name, target=route53.RecordTarget.from_alias(alias)
            )
            groups.append(group.target_group_arn)
            objects += broker_service(number, group.target_group_arn)
        charts.bind("KafkaBrokers", groups, objects)


def broker_service(number: int, target_group: str) -> list[dict[str, Any]]:
    """One broker's pod behind its load balancer, kept so by the load balancer controller."""
    meta = {"name": f"broker-{number}", "namespace": access.NAMESPACE}
    port = {"name": "kafka", "port": PORT, "targetPort": PORT, "protocol": "TCP"}
    selector = {"statefulset.kubernetes.io/pod-name": f"redpanda-{number}"}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": selector, "ports": [port]}},
        binding(meta["name"], access.NAMESPACE, meta["name"], PORT, target_group),
    ]
