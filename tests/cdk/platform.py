"""The stacks that run our code, synthesised once, with stand-ins for what stands around them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Stage, Tags

from cdk.app import guarded
from cdk.stacks.network import NetworkStack
from cdk.stacks.runtime import Runtime
from cdk.stages import STAGES
from tests.cdk import surroundings
from tests.cdk.written import Template, of_kind, templates

STAGE = STAGES[0]


@dataclass(frozen=True)
class Written:
    """Templates by stack, the manifest of the stage and what validation reported."""

    stacks: dict[str, Template]
    manifest: dict[str, Any]
    report: dict[str, Any]

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Of all stacks, by their names in cdk/wiring.py."""
        found = [f for t in self.stacks.values() for f in of_kind(t, "AWS::Lambda::Function").values()]
        named = [(f.get("Environment", {}).get("Variables", {}).get("STOA_FUNCTION"), f) for f in found]
        return {name: function for name, function in named if name}

    def role(self, function: str) -> dict[str, Any]:
        logical_id = self.functions[function]["Role"]["Fn::GetAtt"][0]
        (found,) = (r for t in self.stacks.values() for name, r in t["Resources"].items() if name == logical_id)
        properties: dict[str, Any] = found["Properties"]
        return properties


def written(folder: Path) -> Written:
    """Raises what synthesis raises: a finding of cdk-nag, a missing tag."""
    app = guarded(str(folder))
    place = Stage(app, STAGE.name)
    for key, value in STAGE.tags.items():
        Tags.of(place).add(key, value)
    network = NetworkStack(place, "network", stage=STAGE, stack_name="stoa-dev-network", tags=dict(STAGE.tags))
    around = surroundings.network(network, network.vpc)
    Runtime(place, STAGE, network=around, data=surroundings.data(network), cluster=surroundings.cluster(network))
    app.synth()
    assembly = folder / f"assembly-{STAGE.name}"
    manifest = json.loads((assembly / "manifest.json").read_text())
    return Written(templates(assembly), manifest, json.loads((folder / "validation-report.json").read_text()))
