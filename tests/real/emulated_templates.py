"""What a template loses, and what it says otherwise, where it is deployed to the emulator instead of AWS."""

import json
from typing import Any

REGION, ACCOUNT = "us-east-1", "000000000000"
PLACE = "eu-west-1:111122223333"  # of the stand-ins; this module does not load the CDK, which reads its settings then
NOT_THERE = "the emulator has no such type"
NAMELESS = "its zone and its certificate are nobody's here, and the emulator answers by another name"
# by type, why it is left out; everything else is deployed as it is
ABSENT = {
    "AWS::EC2::EIP": NOT_THERE,
    "AWS::EC2::FlowLog": NOT_THERE,
    "AWS::EC2::NatGateway": NOT_THERE,
    "AWS::EC2::SecurityGroupIngress": NOT_THERE,
    "AWS::EC2::SecurityGroupEgress": NOT_THERE,
    "Custom::VpcRestrictDefaultSG": "a function of the CDK's in Node.js; nobody enforces its rules here",
    "AWS::ApiGatewayV2::ApiMapping": NAMELESS,
    "AWS::ApiGatewayV2::DomainName": NAMELESS,
    "AWS::CertificateManager::Certificate": NAMELESS,
    "AWS::Route53::RecordSet": NAMELESS,
    "AWS::CodeDeploy::Application": NOT_THERE,
    "AWS::CodeDeploy::DeploymentGroup": NOT_THERE,
}


def adapted(template: dict[str, Any], where: dict[str, str], issuer: str) -> dict[str, Any]:
    """`where` replaces settings in the environment of those functions that have them: where systems are. The secrets
    of other stacks are taken from the emulator's own account, without the last characters of their ARNs, which nobody
    knows before."""
    text = json.dumps(template).replace(PLACE, f"{REGION}:{ACCOUNT}").replace("-AbCdEf", "")
    moved: dict[str, Any] = json.loads(text)
    kept = {name: one for name, one in moved["Resources"].items() if one["Type"] not in ABSENT}
    gone = set(moved["Resources"]) - set(kept)
    found = without({**moved, "Resources": kept}, gone)
    for one in found["Resources"].values():
        properties = one.get("Properties", {})
        if one["Type"] == "AWS::ApiGatewayV2::Authorizer":
            properties["JwtConfiguration"]["Issuer"] = issuer
        if one["Type"] == "AWS::ApiGatewayV2::Api":
            properties["DisableExecuteApiEndpoint"] = False  # the emulator has no other name for it
        variables = properties.get("Environment", {}).get("Variables", {})
        if "STOA_FUNCTION" in variables:
            known = {name: value for name, value in where.items() if name in variables or not name.startswith("STOA_")}
            variables.update(known)
        one.pop("UpdatePolicy", None)  # of CodeDeploy
    return {**found, "Rules": {}}


def left_out(template: dict[str, Any]) -> list[str]:
    return sorted({one["Type"] for one in template["Resources"].values() if one["Type"] in ABSENT})


def without(value: Any, gone: set[str]) -> Any:
    """References to what is gone are names of nothing."""
    if isinstance(value, list):
        return [without(one, gone) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("Ref") in gone or (value.get("Fn::GetAtt") or [None])[0] in gone:
        return "gone-0123456789abcdef0"
    return {name: without(one, gone) for name, one in value.items() if name != "DependsOn"}
