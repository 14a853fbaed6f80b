"""What a change of files means for deployments. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

ENVIRONMENTS = ("dev", "staging", "prod")
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
API_FILE = re.compile(r"tenants/([^/]+)/apis/([^/]+)/(.+)\Z", re.DOTALL)
ENVIRONMENT_FILE = re.compile(r"environments/([^/]+)\.yaml\Z")
ENVIRONMENT_CONFIG = re.compile(r"environments/([^/]+)/config\.yaml\Z")


@dataclass(frozen=True)
class Change:
    """`path` differs between two commits; a rename is a removal and an addition."""

    path: str
    removed: bool = False


@dataclass(frozen=True)
class Affected:
    """`own_file`: the environment's own file changed, so somebody meant this environment."""

    tenant: str
    api: str
    environment: str
    action: Literal["deploy", "undeploy"]
    own_file: bool


@dataclass(frozen=True)
class Effects:
    """`refused` lists what cannot be deployed because of its name, with the file."""

    items: tuple[Affected, ...]
    refused: tuple[dict[str, Any], ...]


def affected(changes: Sequence[Change], tree: Collection[str]) -> Effects:
    """Each (tenant, api, environment) at most once, in order; `tree` is every path at the new commit."""
    tree = frozenset(tree)
    apis = _environments_by_api(tree)
    touched: dict[tuple[str, str, str], bool] = {}
    refused: dict[str, dict[str, Any]] = {}
    for change in changes:
        for lane, own in sorted(_lanes(change, apis)):
            fault = _bad_name(lane)
            if fault and change.removed and not _stands(lane, apis):
                continue  # the bad name is gone
            if fault:
                refused.setdefault(change.path, {"code": "NAME_INVALID", "detail": fault, "file": change.path})
            else:
                touched[lane] = touched.get(lane, False) or own
    items = []
    for lane in sorted(touched):
        items.append(Affected(*lane, "deploy" if _stands(lane, apis) else "undeploy", touched[lane]))
    return Effects(tuple(items), tuple(refused[path] for path in sorted(refused)))


def _stands(lane: tuple[str, str, str], apis: dict[tuple[str, str], set[str]]) -> bool:
    return lane[2] in apis.get(lane[:2], ())


def _environments_by_api(tree: Collection[str]) -> dict[tuple[str, str], set[str]]:
    """An API stands in an environment when it has api.yaml and that environment's file."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in tree:
        match = API_FILE.match(path)
        environment = ENVIRONMENT_FILE.match(match[3]) if match else None
        if match and environment and environment[1] != "_defaults":
            if f"tenants/{match[1]}/apis/{match[2]}/api.yaml" in tree:
                found.setdefault((match[1], match[2]), set()).add(environment[1])
    return found


Lanes = list[tuple[tuple[str, str, str], bool]]


def _lanes(change: Change, apis: dict[tuple[str, str], set[str]]) -> Lanes:
    if change.path == "_defaults.yaml":
        return [((*api, name), False) for api, names in apis.items() for name in names]
    config = ENVIRONMENT_CONFIG.match(change.path)
    if config:
        return [((*api, config[1]), False) for api, names in apis.items() if config[1] in names]
    match = API_FILE.match(change.path)
    if not match:
        return []
    api = (match[1], match[2])
    environment = ENVIRONMENT_FILE.match(match[3])
    if environment and environment[1] != "_defaults":
        return [((*api, environment[1]), True)]
    if match[3] == "api.yaml" and change.removed:
        return [((*api, name), False) for name in ENVIRONMENTS]
    return [((*api, name), False) for name in apis.get(api, ())]


def _bad_name(lane: tuple[str, str, str]) -> str | None:
    tenant, api, environment = lane
    for what, name in (("tenant", tenant), ("API", api)):
        if not SLUG.match(name):
            return f"{name!r} is no {what} name: use a-z, 0-9 and -, at most 63 characters"
    if environment not in ENVIRONMENTS:
        return f"{environment!r} is no environment: use {', '.join(ENVIRONMENTS)}"
    return None
