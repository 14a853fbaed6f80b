"""The security groups let through exactly what this table says, at both ends of each arrow."""

import json
from collections.abc import Callable
from typing import Any

from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Template

from cdk.stacks.network import NetworkStack
from cdk.stages import STAGES
from tests.cdk.standins import bare, properties
from tests.cdk.written import SYNTHESISED

Arrows = set[tuple[str, str, int]]
TABLE: Arrows = {
    ("functions", "proxy", 5432),
    ("proxy", "database", 5432),
    ("functions", "nodes", 9094),
    ("pollers", "nodes", 9094),
    ("functions", "0.0.0.0/0", 443),
    ("nodes", "proxy", 5432),
    ("nodes", "database", 5432),
}
INSIDE = {arrow for arrow in TABLE if arrow[1] != "0.0.0.0/0"}
NOTHING = "255.255.255.255/32"  # what the library writes for "no egress at all"


def name(reference: Any) -> str:
    """FunctionsGroup1A2B3C4D -> functions"""
    logical: str = reference["Fn::GetAtt"][0]
    return logical.partition("Group")[0].lower()


def port(rule: dict[str, Any]) -> int:
    assert rule["IpProtocol"] == "tcp"
    assert rule["FromPort"] == rule["ToPort"]
    return int(rule["FromPort"])


def out_of(network: Template) -> Arrows:
    apart = properties(network, "AWS::EC2::SecurityGroupEgress")
    found = {(name(r["GroupId"]), name(r["DestinationSecurityGroupId"]), port(r)) for r in apart}
    for logical, group in network.find_resources("AWS::EC2::SecurityGroup").items():
        for rule in group["Properties"].get("SecurityGroupEgress", ()):
            if rule["CidrIp"] != NOTHING:
                found.add((logical.partition("Group")[0].lower(), rule["CidrIp"], port(rule)))
    return found


def into(network: Template) -> Arrows:
    rules = properties(network, "AWS::EC2::SecurityGroupIngress")
    assert [g for g in properties(network, "AWS::EC2::SecurityGroup") if "SecurityGroupIngress" in g] == []
    return {(name(r["SourceSecurityGroupId"]), name(r["GroupId"]), port(r)) for r in rules}


def test_exactly_these_arrows_at_both_ends(template: Callable[..., Template]) -> None:
    for stage in SYNTHESISED:
        network = template(stage.name)
        assert (out_of(network), into(network)) == (TABLE, INSIDE)
        network.resource_count_is("AWS::EC2::SecurityGroup", 5)


def test_the_data_adds_no_group_and_no_rule(template: Callable[..., Template]) -> None:
    kinds = {found["Type"] for found in template("dev", "data").to_json()["Resources"].values()}
    assert {kind for kind in kinds if "SecurityGroup" in kind} == set()


def test_one_more_rule_is_noticed() -> None:
    network = NetworkStack(bare(), "n", stage=STAGES[0])
    walls = network.firewall
    walls.functions.connections.allow_to(walls.database, ec2.Port.tcp(5432))
    made = Template.from_stack(network)
    more = {("functions", "database", 5432)}
    assert (out_of(made) - TABLE, into(made) - INSIDE) == (more, more), json.dumps(sorted(out_of(made)))
