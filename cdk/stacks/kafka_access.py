"""Topics, users and what each user may do, as resources of the Redpanda operator, from the event map alone.

Source: https://docs.redpanda.com/current/manage/kubernetes/security/authentication/k-user-controller/
"""

from typing import Any

from cdk.wiring import FUNCTIONS, Function, Topic, topics_with_dlq

API = "cluster.redpanda.com/v1alpha2"
NAMESPACE = "redpanda"
BROKERS = 3
MECHANISM = "SCRAM-SHA-512"
ADMIN = "stoa-admin"
ADMIN_SECRET = "kafka-admin"  # noqa: S105  the name of a Secret
CA_SECRET = "kafka-ca"  # noqa: S105  the name of a Secret
DAY_MS = 86_400_000


def manifests() -> list[dict[str, Any]]:
    """All topics, dead-letter topics included, and one user per function that speaks to Kafka."""
    return [*(_topic(one) for one in topics_with_dlq()), *(_user(one) for one in kafka_users())]


def kafka_users() -> tuple[Function, ...]:
    return tuple(one for one in FUNCTIONS if one.speaks_kafka)


def resource_name(name: str) -> str:
    """Kubernetes takes no underscore in a name."""
    return name.replace("_", "-").lower()


def password_secret(function: Function) -> str:
    """The Secret, with the key `password`, that External Secrets keeps."""
    return f"kafka-{resource_name(function.name)}"


def acls(function: Function) -> list[dict[str, Any]]:
    """Reads its sources by its own groups, writes what it writes, and nothing else.

    Read and Write imply Describe; an idempotent producer needs no more than Write on its topic (KIP-679).
    """
    read = [_acl("topic", source.topic, "Read") for source in function.sources]
    groups = [_acl("group", f"{function.name}.{source.topic}", "Read") for source in function.sources]
    return [*read, *groups, *(_acl("topic", topic, "Write") for topic in function.writes)]


def _acl(kind: str, name: str, operation: str) -> dict[str, Any]:
    resource = {"type": kind, "name": name, "patternType": "literal"}
    return {"type": "allow", "resource": resource, "operations": [operation, "Describe"]}


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "Topic",
        "metadata": {"name": resource_name(topic.name), "namespace": NAMESPACE},
        "spec": {
            "cluster": _connection(),
            "overwriteTopicName": topic.name,
            "partitions": topic.partitions,
            "replicationFactor": BROKERS,
            "additionalConfig": {
                "cleanup.policy": topic.cleanup,
                "retention.ms": str(topic.retention_days * DAY_MS),
            },
        },
    }


def _user(function: Function) -> dict[str, Any]:
    secret = {"name": password_secret(function), "key": "password"}
    return {
        "apiVersion": API,
        "kind": "User",
        # the user is called like its resource, so the function's secret has this name too
        "metadata": {"name": resource_name(function.name), "namespace": NAMESPACE},
        "spec": {
            "cluster": _connection(),
            "authentication": {"type": MECHANISM.lower(), "password": {"valueFrom": {"secretKeyRef": secret}}},
            "authorization": {"acls": acls(function)},
        },
    }


def _connection() -> dict[str, Any]:
    """How the operator reaches the brokers: as the superuser, over TLS, inside the cluster."""
    tls = {"caCert": {"secretKeyRef": {"name": CA_SECRET, "key": "ca.crt"}}}
    password = {"secretKeyRef": {"name": ADMIN_SECRET, "key": "password"}}
    sasl = {"mechanism": MECHANISM, "username": ADMIN, "password": password}
    hosts = [f"redpanda-{number}.redpanda.{NAMESPACE}.svc.cluster.local" for number in range(BROKERS)]
    return {
        "staticConfiguration": {
            "kafka": {"brokers": [f"{host}:9093" for host in hosts], "tls": tls, "sasl": sasl},
            "admin": {"urls": [f"https://{host}:9644" for host in hosts], "tls": tls, "sasl": sasl},
        }
    }
