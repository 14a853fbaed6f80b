"""What a change of files means for deployments, and what the gateway gets of a document. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stoa.kernel.environments import ENVIRONMENTS
from stoa.kernel.errors import Refused
from stoa.openapi import SpecRefused, convert, gateway_profile, parse, to_bytes

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
API_FILE = re.compile(r"tenants/([^/]+)/apis/([^/]+)/(.+)\Z", re.DOTALL)
ENVIRONMENT_FILE = re.compile(r"environments/([^/]+)\.yaml\Z")
ENVIRONMENT_CONFIG = re.compile(r"environments/([^/]+)/config\.yaml\Z")
# what somebody wrote who meant api.yaml, or an environment's file
API_SLIP = re.compile(r"api\.(yaml|yml|json)\Z", re.IGNORECASE)
ENVIRONMENT_SLIP = re.compile(r"env[^/]*/([^/]+)\.(yaml|yml|json)\Z", re.IGNORECASE)
# what somebody wrote who meant a file of variables
DEFAULTS_SLIP = re.compile(r"_defaults?\.(yaml|yml|json)\Z", re.IGNORECASE)
API_DEFAULTS_SLIP = re.compile(r"enviro[a-z]*/" + DEFAULTS_SLIP.pattern, re.IGNORECASE)
CONFIG_SLIP = re.compile(r"enviro[a-z]*/([^/]+)/config\.(yaml|yml|json)\Z", re.IGNORECASE)
SPEC_HINT = "stoa openapi convert FILE shows the same message on your machine"
NAME_HINT = "rename it; docs/gitops.md shows how a repository looks"
TENANT_HINT = "let the tenant be registered for this project, or move the folder to a tenant that is"
NOTHING_HERE = "nothing was deployed from this folder"

Api = tuple[str, str]
Lane = tuple[str, str, str]


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

    def left_out(self, code: str, detail: str, hint: str = TENANT_HINT) -> dict[str, Any]:
        """Why it is not asked for, as the outcome of the push says it."""
        lane = {"tenant": self.tenant, "api": self.api, "environment": self.environment}
        return {**lane, **_fault(code, detail, f"tenants/{self.tenant}/apis/{self.api}", hint)}


@dataclass(frozen=True)
class Effects:
    """`refused` lists what cannot be deployed because of a name or a missing file: code, detail, file, hint."""

    items: tuple[Affected, ...]
    refused: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Folder:
    """What there is of one API at the new commit, by path inside its folder."""

    path: str
    files: frozenset[str]

    @property
    def stated(self) -> set[str]:
        """The environments that have their file."""
        found = (ENVIRONMENT_FILE.match(name) for name in self.files)
        return {match[1] for match in found if match and match[1] != "_defaults"}

    @property
    def standing(self) -> set[str]:
        """An API stands in an environment when it has api.yaml and that environment's file."""
        return self.stated if "api.yaml" in self.files else set()

    def slip(self, environment: str | None = None) -> str | None:
        """A file that is written like the missing one: api.yml, environments/dev.yml, enviroments/dev.yaml."""
        if environment is None:
            return next((name for name in sorted(self.files) if name != "api.yaml" and API_SLIP.match(name)), None)
        meant = ((name, ENVIRONMENT_SLIP.match(name)) for name in sorted(self.files))
        wanted = f"environments/{environment}.yaml"
        return next((n for n, m in meant if m and m[1].lower() == environment and n != wanted), None)


def affected(changes: Sequence[Change], tree: Collection[str]) -> Effects:
    """Each (tenant, api, environment) at most once, in order; `tree` is every path at the new commit."""
    folders = folders_of(tree)
    touched: dict[Lane, bool] = {}
    refused: dict[tuple[str, str], dict[str, Any]] = {}
    for change in changes:
        lanes, faults = _effect(change, folders)
        for lane, own in lanes:
            touched[lane] = touched.get(lane, False) or own
        for fault in faults:
            refused.setdefault((fault["file"], fault["code"]), fault)
    items = []
    for lane in sorted(touched):
        items.append(Affected(*lane, "deploy" if _stands(lane, folders) else "undeploy", touched[lane]))
    return Effects(tuple(items), tuple(refused[key] for key in sorted(refused)))


def removals(standing: Iterable[Lane], tree: Collection[str]) -> tuple[Change, ...]:
    """Of what stands, the file that each lane lacks in the tree: there is no older commit that would tell."""
    found = set()
    for tenant, api, environment in standing:
        files = [f"tenants/{tenant}/apis/{api}/{name}" for name in ("api.yaml", f"environments/{environment}.yaml")]
        found |= set([file for file in files if file not in tree][:1])
    return tuple(Change(path, removed=True) for path in sorted(found))


def folders_of(tree: Collection[str]) -> dict[Api, Folder]:
    found: dict[Api, set[str]] = {}
    for path in tree:
        match = API_FILE.match(path)
        if match:
            found.setdefault((match[1], match[2]), set()).add(match[3])
    return {api: Folder(f"tenants/{api[0]}/apis/{api[1]}", frozenset(files)) for api, files in found.items()}


def _stands(lane: Lane, folders: dict[Api, Folder]) -> bool:
    folder = folders.get(lane[:2])
    return folder is not None and lane[2] in folder.standing


Lanes = list[tuple[Lane, bool]]
Faults = list[dict[str, Any]]


def _effect(change: Change, folders: dict[Api, Folder]) -> tuple[Lanes, Faults]:
    """What one change asks for, and what is wrong with it. Only a removal takes anything off the gateway."""
    lanes: Lanes = []
    faults = [] if change.removed else [*_missing(change, folders), *_misnamed(change.path), *_unread(change.path)]
    for lane, own in sorted(lanes_of(change, folders)):
        if _bad_name(lane):
            continue  # told with the file that has the name, and with no other
        if _stands(lane, folders):
            lanes.append((lane, own))
        elif change.removed:
            slip = _renamed_by_mistake(lane, own, folders)
            lanes += [] if slip else [(lane, own)]
            faults += [slip] if slip else []
    return lanes, faults


def lanes_of(change: Change, folders: dict[Api, Folder]) -> Lanes:
    if change.path == "_defaults.yaml":
        return [((*api, name), False) for api, folder in folders.items() for name in folder.standing]
    config = ENVIRONMENT_CONFIG.match(change.path)
    if config:
        return [((*api, config[1]), False) for api, folder in folders.items() if config[1] in folder.standing]
    match = API_FILE.match(change.path)
    if not match:
        return []
    api = (match[1], match[2])
    environment = ENVIRONMENT_FILE.match(match[3])
    if environment and environment[1] != "_defaults":
        return [((*api, environment[1]), True)]
    if match[3] == "api.yaml" and change.removed:
        return [((*api, name), False) for name in ENVIRONMENTS]
    return [((*api, name), False) for name in (folders[api].standing if api in folders else ())]


def _missing(change: Change, folders: dict[Api, Folder]) -> Faults:
    """What an API lacks of which a file was added or changed: its pusher meant to deploy it."""
    match = API_FILE.match(change.path)
    folder = folders.get((match[1], match[2])) if match else None
    if match is None or folder is None or _bad_name((match[1], match[2], ENVIRONMENTS[0])):
        return []
    if folder.stated.isdisjoint(ENVIRONMENTS):
        misnamed = (_misnamed(f"{folder.path}/environments/{name}.yaml") for name in sorted(folder.stated))
        return [fault for faults in misnamed for fault in faults] or [_no_environment(folder)]
    slip = ENVIRONMENT_SLIP.match(match[3])
    meant = slip[1].lower() if slip else ""
    faults = []
    if meant in ENVIRONMENTS and meant not in folder.stated:
        faults.append(_no_environment(folder, meant))
    if "api.yaml" not in folder.files:
        faults.append(_no_api(folder))
    return faults


def _misnamed(path: str) -> Faults:
    """A tenant, an API or an environment that cannot be, in the path itself."""
    match = API_FILE.match(path)
    environment = ENVIRONMENT_FILE.match(match[3]) if match else None
    stated = environment[1] if environment and environment[1] != "_defaults" else ENVIRONMENTS[0]
    bad = _bad_name((match[1], match[2], stated)) if match else None
    return [_fault("NAME_INVALID", bad, path, NAME_HINT)] if bad else []


def _unread(path: str) -> Faults:
    """A file of variables under a name that nobody reads: its variables would silently count for nothing."""
    match, config = API_FILE.match(path), CONFIG_SLIP.match(path)
    name = match[3] if match else path
    if match:
        meant = "environments/_defaults.yaml" if API_DEFAULTS_SLIP.match(name) else name
    elif config and config[1].lower() not in ENVIRONMENTS:
        hint = f"name its folder one of {', '.join(ENVIRONMENTS)}"
        return [_fault("NAME_INVALID", f"{config[1]!r} is no environment: the file is not read", path, hint)]
    elif config:
        meant = f"environments/{config[1].lower()}/config.yaml"
    else:
        meant = "_defaults.yaml" if DEFAULTS_SLIP.match(name) else name
    detail = f"the file is not read: its name must be {meant}"
    return [_fault("NAME_INVALID", detail, path, f"rename {name} to {meant}")] if name != meant else []


def _renamed_by_mistake(lane: Lane, own: bool, folders: dict[Api, Folder]) -> dict[str, Any] | None:
    """`git mv api.yaml api.yml` must not end the API: the new name says that it is meant to stay."""
    folder = folders.get(lane[:2])
    if folder is None:
        return None
    if own:
        return _no_environment(folder, lane[2]) if folder.slip(lane[2]) else None
    return _no_api(folder) if folder.slip() else None


def _no_api(folder: Folder) -> dict[str, Any]:
    slip = folder.slip()
    hint = (
        f"rename {slip} to api.yaml" if slip else "push api.yaml, or remove the folder to take the API off the gateway"
    )
    detail = f"the API has no api.yaml: {NOTHING_HERE}"
    return _fault("API_FILE_MISSING", detail, f"{folder.path}/api.yaml", hint)


def _no_environment(folder: Folder, environment: str | None = None) -> dict[str, Any]:
    """Without `environment`: the API has none at all."""
    slips = {name: folder.slip(name) for name in ([environment] if environment else ENVIRONMENTS)}
    renames = [f"rename {slip} to environments/{name}.yaml" for name, slip in slips.items() if slip]
    wanted = environment or "<environment>"
    hint = "; ".join(renames) or f"add environments/{wanted}.yaml, one of {', '.join(ENVIRONMENTS)}"
    detail = f"the API has no environments/{wanted}.yaml: " + (
        f"nothing was deployed to {environment}" if environment else NOTHING_HERE
    )
    return _fault("ENVIRONMENT_FILE_MISSING", detail, f"{folder.path}/environments/{wanted}.yaml", hint)


def _fault(code: str, detail: str, file: str, hint: str | None = None) -> dict[str, Any]:
    fault = {"code": code, "detail": detail, "file": file}
    return {**fault, "hint": hint} if hint else fault


def _bad_name(lane: Lane) -> str | None:
    tenant, api, environment = lane
    for what, name in (("tenant", tenant), ("API", api)):
        if not SLUG.match(name):
            return f"{name!r} is no {what} name: use a-z, 0-9 and -, at most 63 characters"
    if environment not in ENVIRONMENTS:
        return f"{environment!r} is no environment: use {', '.join(ENVIRONMENTS)}"
    return None


@dataclass(frozen=True)
class GatewayDocument:
    """`kind` is what the gateway's import calls it; `report` says what the conversions lost."""

    data: bytes
    kind: str
    report: dict[str, Any]


def gateway_document(spec_path: str, files: Mapping[str, bytes], backend_url: str) -> GatewayDocument:
    """Raises Refused with file and line for a document that the gateway could not take."""
    folder, _, name = spec_path.rpartition("/")
    parts = {path.removeprefix(f"{folder}/"): data for path, data in files.items() if path.startswith(f"{folder}/")}
    try:
        converted = convert(parse(files[spec_path], name=name, files=parts))
        profiled = gateway_profile(converted.document, server_url=backend_url)
    except SpecRefused as error:
        file = f"{folder}/{error.file}" if error.file else spec_path
        raise Refused(
            error.code, error.detail, field=error.pointer or None, file=file, line=error.line, hint=SPEC_HINT
        ) from error
    kind = "openapi" if profiled.document.version.startswith("3.") else "swagger"
    report = {"standards": converted.report.to_dict(), "gateway": profiled.report.to_dict()}
    return GatewayDocument(to_bytes(profiled.document), kind, report)
