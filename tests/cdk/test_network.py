import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stack, Tags
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from cdk.app import guarded, place_of
from cdk.stages import STAGES, StageName
from cdk.tags import AFTER_TAGGING, MANDATORY
from tests.cdk.written import SYNTHESISED, Written

Networks = Callable[..., Template]
ZONES = ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, {"Fn::Select": [1, {"Fn::GetAZs": ""}]})
ANYWHERE = "aws://unknown-account/unknown-region"
STACKS = (
    "network", "data", "cluster", "migrations", "workers", "api", "schedules", "edge", "observability", "web",
)  # fmt: skip
TAGS = {"project": "stoa", "environment": "dev", "owner": "me", "cost-center": "mine", "data-class": "internal"}


def resources(template: Template, kind: str) -> dict[str, Any]:
    return {name: found["Properties"] for name, found in template.find_resources(kind).items()}


def cidrs(template: Template) -> dict[str, str]:
    return {name: subnet["CidrBlock"] for name, subnet in resources(template, "AWS::EC2::Subnet").items()}


def nat_routes(template: Template) -> dict[str, str]:
    """The block of each private subnet to the block of the subnet whose NAT gateway it leaves through."""
    block = cidrs(template)
    table_of = {
        joined["RouteTableId"]["Ref"]: block[joined["SubnetId"]["Ref"]]
        for joined in resources(template, "AWS::EC2::SubnetRouteTableAssociation").values()
    }
    gateways = {
        name: block[gateway["SubnetId"]["Ref"]] for name, gateway in resources(template, "AWS::EC2::NatGateway").items()
    }
    routes = resources(template, "AWS::EC2::Route").values()
    return {
        table_of[route["RouteTableId"]["Ref"]]: gateways[route["NatGatewayId"]["Ref"]]
        for route in routes
        if "NatGatewayId" in route and route["DestinationCidrBlock"] == "0.0.0.0/0"
    }


@pytest.mark.parametrize("stage", [stage.name for stage in SYNTHESISED])
def test_the_network_has_exactly_these_blocks_in_two_zones(template: Networks, stage: str) -> None:
    network = template(stage)
    assert [vpc["CidrBlock"] for vpc in resources(network, "AWS::EC2::VPC").values()] == ["10.0.0.0/16"]
    placed = {s["CidrBlock"]: s["AvailabilityZone"] for s in resources(network, "AWS::EC2::Subnet").values()}
    assert placed == {
        "10.0.1.0/24": ZONES[0],
        "10.0.2.0/24": ZONES[1],
        "10.0.10.0/24": ZONES[0],
        "10.0.20.0/24": ZONES[1],
    }


def test_load_balancers_find_their_subnets(template: Networks) -> None:
    tagged = {
        (tag["Key"], subnet["CidrBlock"])
        for subnet in resources(template("dev"), "AWS::EC2::Subnet").values()
        for tag in subnet["Tags"]
        if tag["Key"].startswith("kubernetes.io/role/")
    }
    assert tagged == {
        ("kubernetes.io/role/elb", "10.0.1.0/24"),
        ("kubernetes.io/role/elb", "10.0.2.0/24"),
        ("kubernetes.io/role/internal-elb", "10.0.10.0/24"),
        ("kubernetes.io/role/internal-elb", "10.0.20.0/24"),
    }


def test_one_nat_gateway_in_the_second_public_subnet_serves_both_private_ones(template: Networks) -> None:
    template("dev").resource_count_is("AWS::EC2::NatGateway", 1)
    assert nat_routes(template("dev")) == {"10.0.10.0/24": "10.0.2.0/24", "10.0.20.0/24": "10.0.2.0/24"}


def test_with_two_nat_gateways_each_zone_leaves_by_its_own(template: Networks) -> None:
    template("prod").resource_count_is("AWS::EC2::NatGateway", 2)
    assert nat_routes(template("prod")) == {"10.0.10.0/24": "10.0.1.0/24", "10.0.20.0/24": "10.0.2.0/24"}


def test_flows_are_recorded_encrypted_and_kept_as_long_as_the_stage_says(template: Networks) -> None:
    for stage in SYNTHESISED:
        kept = {"RetentionInDays": stage.log_retention_days, "KmsKeyId": Match.any_value()}
        template(stage.name).has_resource_properties("AWS::Logs::LogGroup", kept)
        template(stage.name).has_resource_properties("AWS::EC2::FlowLog", {"TrafficType": "ALL"})
        template(stage.name).has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})


def test_s3_is_reached_without_nat_and_the_default_security_group_is_closed(template: Networks) -> None:
    template("dev").has_resource_properties("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"})
    template("dev").resource_count_is("Custom::VpcRestrictDefaultSG", 1)


def test_every_stage_synthesises_without_a_finding_and_without_looking_anything_up(
    stages: dict[StageName, Written],
) -> None:
    for name, written in stages.items():
        assert written.report["pluginReports"] == []
        assert written.manifest.get("missing", []) == []
        artifacts = {
            a["displayName"]: a
            for a in written.manifest["artifacts"].values()
            if a["type"] == "aws:cloudformation:stack"
        }
        places = {stack.removeprefix(f"{name}/"): a["environment"] for stack, a in artifacts.items()}
        assert places == dict.fromkeys(STACKS, ANYWHERE) | dict.fromkeys(
            ("edge", "web"), "aws://unknown-account/us-east-1"
        )
        assert [stack for stack, a in artifacts.items() if a["properties"]["tags"] != dict(written.stage.tags)] == []


@pytest.mark.parametrize("missing", MANDATORY)
def test_a_resource_without_a_mandatory_tag_fails_the_synthesis(tmp_path: Path, missing: str) -> None:
    """On a resource that cdk-nag has nothing to say about, so that the tag alone is what fails."""
    app = guarded(str(tmp_path))
    place = place_of(app, STAGES[0])
    group = logs.CfnLogGroup(Stack(place, "one", tags=TAGS), "Group")
    Tags.of(group).remove(missing, priority=AFTER_TAGGING - 1)
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    found = [violation["description"] for plugin in report["pluginReports"] for violation in plugin["violations"]]
    assert found == [f"dev/one/Group lacks the tags {missing}"]


def test_a_finding_of_cdk_nag_fails_the_synthesis(tmp_path: Path) -> None:
    app = guarded(str(tmp_path))
    topic = sns.CfnTopic(Stack(app, "one", tags=TAGS), "Topic")
    for key, value in TAGS.items():
        Tags.of(topic).add(key, value)
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    assert [plugin["pluginName"] for plugin in report["pluginReports"]] == ["AwsSolutions"]


def test_findings_are_accepted_on_single_constructs_only() -> None:
    """An acceptance on a stack, a stage or the app would cover all that is ever put below it."""
    on = {
        (path.name, name)
        for path in (Path(__file__).resolve().parents[2] / "cdk").rglob("*.py")
        for name in re.findall(r"\backnowledge(?:_resource)?\(\s*([\w.]+)\s*,", path.read_text())
    }
    assert on
    assert [where for where in on if re.search(r"^(self|app|stack|place|scope|stage)$", where[1])] == []
