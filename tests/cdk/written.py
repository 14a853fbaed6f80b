"""What the app wrote for a stage, in words short enough for a table."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cdk.stages import STAGES, StageSettings

Template = dict[str, Any]

# the middle one differs from these in figures only, and `make synth` checks it
SYNTHESISED = tuple(stage for stage in STAGES if stage.name != "staging")
HASH = re.compile(r"[0-9A-F]{8}$")


@dataclass(frozen=True)
class Written:
    """Templates by stack, the manifest of the stage and what validation reported."""

    stage: StageSettings
    stacks: Mapping[str, Template]
    manifest: dict[str, Any]
    report: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, stage: StageSettings) -> Self:
        assembly = folder / f"assembly-{stage.name}"
        manifest = json.loads((assembly / "manifest.json").read_text())
        stacks = {
            stack["displayName"].partition("/")[2]: json.loads(
                (assembly / stack["properties"]["templateFile"]).read_text()
            )
            for stack in manifest["artifacts"].values()
            if stack["type"] == "aws:cloudformation:stack"
        }
        return cls(stage, stacks, manifest, json.loads((folder / "validation-report.json").read_text()))

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Of all stacks, by their names in cdk/wiring.py."""
        found = [f for t in self.stacks.values() for f in of_kind(t, "AWS::Lambda::Function").values()]
        named = [(f.get("Environment", {}).get("Variables", {}).get("STOA_FUNCTION"), f) for f in found]
        return {name: function for name, function in named if name}

    @cached_property
    def _exports(self) -> dict[str, str]:
        """In words, by the names under which other stacks import them."""
        outputs = [(stack, o) for stack, t in self.stacks.items() for o in t.get("Outputs", {}).values()]
        return {o["Export"]["Name"]: self._exported(stack, o["Value"]) for stack, o in outputs if "Export" in o}

    def _exported(self, stack: str, value: dict[str, Any]) -> str:
        logical_id, *attribute = value["Fn::GetAtt"] if "Fn::GetAtt" in value else [value["Ref"]]
        resource = self.stacks[stack]["Resources"][logical_id]
        if resource["Type"] == "AWS::SecretsManager::Secret" and not attribute:
            return "secret:" + str(resource["Properties"]["Name"]).removeprefix(f"stoa/{self.stage.name}/")
        return f"<{stack}:{'.'.join([HASH.sub('', logical_id), *attribute])}>"

    def role(self, function: str) -> dict[str, Any]:
        logical_id = self.functions[function]["Role"]["Fn::GetAtt"][0]
        (found,) = (r for t in self.stacks.values() for name, r in t["Resources"].items() if name == logical_id)
        properties: dict[str, Any] = found["Properties"]
        return properties

    def text(self, value: Any) -> str:
        """One line for a string, with references in angle brackets; `<data:DataKey.Arn>` is another stack's, and its
        secrets are `secret:<name>`. Raises KeyError for what no stack exports or no rule here knows."""
        if isinstance(value, str):
            return value
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return str(separator).join(self.text(part) for part in parts)
        if "Fn::Select" in value:
            number, split = value["Fn::Select"]
            return f"{self.text(split['Fn::Split'][1])}[{number}]"
        if "Ref" in value:
            return f"<{value['Ref'].removeprefix('AWS::')}>"
        if "Fn::GetAtt" in value:
            return f"<{'.'.join(value['Fn::GetAtt'])}>"
        return self._exports[value["Fn::ImportValue"]]

    def allowed(self, role: dict[str, Any]) -> set[tuple[str, str]]:
        """(action, resource) of everything that is allowed, by whatever statement."""
        statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
        return {
            (action, self.text(resource))
            for statement in statements
            if statement["Effect"] == "Allow"
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }


def of_kind(template: Template, kind: str) -> dict[str, Any]:
    """Properties by logical id."""
    found = template["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
