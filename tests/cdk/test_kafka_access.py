"""Who may do what in Kafka on AWS: from the event map alone, and no more than it says."""

from typing import Any

import pytest

from cdk.stacks.kafka_access import ADMIN_SECRET, acls, kafka_users, manifests, password_secret, resource_name
from cdk.wiring import FUNCTIONS, TOPICS, Function, topics_with_dlq


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in manifests() if one["kind"] == kind}


def may(function: Function) -> set[tuple[str, str, str]]:
    given = acls(function)
    assert {one["type"] for one in given} <= {"allow"}
    assert {one["resource"]["patternType"] for one in given} <= {"literal"}
    return {(one["resource"]["type"], one["resource"]["name"], one["operations"][0]) for one in given}


def test_every_topic_is_made_as_the_map_says_on_three_brokers() -> None:
    made = {spec["overwriteTopicName"]: spec for spec in of("Topic").values()}
    assert set(made) == {topic.name for topic in topics_with_dlq()}
    for topic in topics_with_dlq():
        spec = made[topic.name]
        assert (spec["partitions"], spec["replicationFactor"]) == (topic.partitions, 3)
        assert spec["additionalConfig"] == {
            "cleanup.policy": topic.cleanup,
            "retention.ms": str(topic.retention_days * 24 * 3600 * 1000),
        }


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.name)
def test_a_function_reads_its_sources_by_its_groups_and_writes_what_it_writes(function: Function) -> None:
    reads = {source.topic for source in function.sources}
    wanted = {("topic", topic, "Read") for topic in reads}
    wanted |= {("group", f"{function.name}.{topic}", "Read") for topic in reads}
    wanted |= {("topic", topic, "Write") for topic in function.writes}
    assert may(function) == wanted


def test_what_stands_out_on_the_map_stands_out_here() -> None:
    """Beside the rule above, which follows the map: the archive reads all and writes nothing, the API reads nothing."""
    rights = {one.name: may(one) for one in FUNCTIONS}
    assert {operation for _, _, operation in rights["events_to_archive"]} == {"Read"}
    assert {name for kind, name, _ in rights["events_to_archive"] if kind == "topic"} == {one.name for one in TOPICS}
    assert {operation for _, _, operation in rights["api"]} == {"Write"}
    assert {name for found in rights.values() for kind, name, _ in found if kind not in ("topic", "group")} == set()
    writers = {name for name, found in rights.items() if ("topic", "deploy-requests.dlq", "Write") in found}
    assert writers == {one.name for one in FUNCTIONS if "deploy-requests.dlq" in one.writes}


def test_there_is_one_user_per_function_with_a_password_that_is_not_here() -> None:
    users = of("User")
    assert set(users) == {resource_name(one.name) for one in kafka_users()}
    for function in kafka_users():
        spec = users[resource_name(function.name)]
        assert spec["authentication"] == {
            "type": "scram-sha-512",
            "password": {"valueFrom": {"secretKeyRef": {"name": password_secret(function), "key": "password"}}},
        }
        assert spec["authorization"]["acls"] == acls(function)


def test_the_operator_speaks_tls_and_its_password_is_not_here() -> None:
    for spec in (*of("Topic").values(), *of("User").values()):
        reached = spec["cluster"]["staticConfiguration"]
        assert all(url.startswith("https://") for url in reached["admin"]["urls"])
        for way in ("kafka", "admin"):
            assert reached[way]["sasl"]["password"] == {"secretKeyRef": {"name": ADMIN_SECRET, "key": "password"}}
            assert reached[way]["tls"]["caCert"]["secretKeyRef"]["key"] == "ca.crt"
