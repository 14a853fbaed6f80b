"""What a template says, in words short enough for a table."""

import json
from pathlib import Path
from typing import Any

from tests.cdk.surroundings import PLACE

Template = dict[str, Any]


def of_kind(template: Template, kind: str) -> dict[str, Any]:
    """Properties by logical id."""
    return {name: found["Properties"] for name, found in template["Resources"].items() if found["Type"] == kind}


def text(value: Any) -> str:
    """One line for an ARN, with references in angle brackets; what is imported from another stack is `<there>`."""
    if isinstance(value, str):
        return _short(value)
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return _short(str(separator).join(text(part) for part in parts))
    if "Ref" in value:
        return f"<{value['Ref'].removeprefix('AWS::')}>"
    if "Fn::GetAtt" in value:
        return f"<{'.'.join(value['Fn::GetAtt'])}>"
    return "<there>"


def _short(arn: str) -> str:
    own = "<Region>:<AccountId>"
    return arn.replace(f"arn:aws:secretsmanager:{PLACE}:secret:", "secret:").removesuffix("-AbCdEf").replace(PLACE, own)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(role: dict[str, Any]) -> set[tuple[str, str]]:
    """(action, resource) of everything that is allowed, by whatever statement."""
    statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
    return {
        (action, text(resource))
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def templates(assembly: Path) -> dict[str, Template]:
    """Of one stage, by the ends of the stacks' names."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    stacks = [a for a in manifest["artifacts"].values() if a["type"] == "aws:cloudformation:stack"]
    return {
        stack["properties"]["stackName"].rpartition("-")[2]: json.loads(
            (assembly / stack["properties"]["templateFile"]).read_text()
        )
        for stack in stacks
    }
