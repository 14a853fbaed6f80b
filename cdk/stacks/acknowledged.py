"""Findings of cdk-nag that have a reason, each on the one construct that it is about."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct, IValidation


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def acknowledge_resource(construct: IConstruct, resource: str, reason: str) -> None:
    """The wildcard in `resource`, an ARN that may be another stack's: what that is called here is known only when the
    library has connected the stacks, after which it asks constructs for their validations."""
    construct.node.add_validation(_Acknowledges(construct, resource, reason))


@jsii.implements(IValidation)
class _Acknowledges:
    def __init__(self, construct: IConstruct, resource: str, reason: str) -> None:
        self._construct, self._resource, self._reason = construct, resource, reason

    @jsii.member(jsii_name="validate")
    def validate(self) -> list[str]:
        written = _written(Stack.of(self._construct).resolve(self._resource))
        acknowledge(self._construct, f"AwsSolutions-IAM5[Resource::{written}]", self._reason)
        return []


def _written(value: Any) -> str:
    """As cdk-nag writes an ARN in the name of a finding."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_written(part) for part in parts)
    if isinstance(value, Mapping) and "Fn::ImportValue" in value:
        return str(value["Fn::ImportValue"])
    if isinstance(value, Mapping) and "Ref" in value:
        return f"<{value['Ref']}>"
    if isinstance(value, Mapping) and isinstance(value.get("Fn::GetAtt"), Sequence):
        return f"<{'.'.join(value['Fn::GetAtt'])}>"
    return json.dumps(value, separators=(",", ":"))
