"""Which generation the gateway holds: a simple alias beside the API, which outlives the API itself."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from stoa.adapters.webmethods.gateway import Gateway, Json
from stoa.adapters.webmethods.wanted import Wanted

Phase = Literal["applying", "applied", "removed"]


@dataclass(frozen=True)
class Held:
    """`documents` is the document's hash by version, `secrets` the Vault version of each secret sent."""

    generation: int = 0
    deployment_id: str = ""
    digest: str = ""
    phase: str = "removed"
    documents: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, int] = field(default_factory=dict)


def held(gateway: Gateway, wanted: Wanted) -> Held:
    """What the last run left; generation 0 when there was none."""
    alias = gateway.alias(wanted.state_alias)
    return Held(**json.loads(alias["value"])) if alias else Held()


def is_older(found: Held, wanted: Wanted) -> bool:
    return wanted.generation < found.generation


def claim(gateway: Gateway, wanted: Wanted, found: Held, *, dry: bool) -> bool:
    """Marks the generation as being applied, before the first write. False when this run did so before."""
    if found.generation == wanted.generation and found.deployment_id == wanted.deployment_id:
        return False
    mine = Held(wanted.generation, wanted.deployment_id, "", "applying", found.documents, found.secrets)
    return _write(gateway, wanted, mine, dry=dry)


def seal(
    gateway: Gateway, wanted: Wanted, phase: Phase, documents: dict[str, str], secrets: dict[str, int], *, dry: bool
) -> bool:
    """Marks the generation as done. False when it stood there already."""
    digest = wanted.digest if phase == "applied" else ""
    done = Held(wanted.generation, wanted.deployment_id, digest, phase, documents, secrets)
    return held(gateway, wanted) != done and _write(gateway, wanted, done, dry=dry)


def _write(gateway: Gateway, wanted: Wanted, value: Held, *, dry: bool) -> bool:
    if dry:
        return True
    body: Json = {
        "name": wanted.state_alias,
        "type": "simple",
        "description": "STOA: the generation that this gateway holds",
        "value": json.dumps(asdict(value), separators=(",", ":"), sort_keys=True),
    }
    known = gateway.alias(wanted.state_alias)
    if known is None:
        gateway.add_alias(body)
    else:
        gateway.put_alias({**known, **body})
    return True
