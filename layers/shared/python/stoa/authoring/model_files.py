"""Which files in Git a change makes. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stoa.authoring.model import Change
from stoa.kernel.environments import ENVIRONMENTS
from stoa.kernel.errors import Refused
from stoa.repository.definition import SPEC_NAMES, api_folder
from stoa.repository.dialect import Lifecycle
from stoa.repository.lifecycle import dumped, restated, stated

Files = Mapping[str, bytes]

GROUP = "stoa.cab-i.com/v1"
# of an API's files, those that a request replaces; what its document refers to, and its defaults, stay as they are
OURS = frozenset({"api.yaml", *SPEC_NAMES, *(f"environments/{name}.yaml" for name in ENVIRONMENTS)})


def made_of(tenant: str, api: str, wanted: Mapping[str, Any], lifecycle: Lifecycle | None) -> dict[str, bytes]:
    """The files of a whole API, by path. Raises Refused for what no YAML can say."""
    folder = api_folder(tenant, api)
    spec = dict(wanted["spec"])
    if lifecycle is not None and lifecycle != Lifecycle():
        spec["lifecycle"] = lifecycle.model_dump(exclude_none=True)
    content = {"apiVersion": GROUP, "kind": "API", "metadata": {"name": api, "tenant": tenant}, "spec": spec}
    document = wanted["document"]
    try:
        made = {f"{folder}/api.yaml": dumped(content), f"{folder}/{document['name']}": document["content"].encode()}
        for name, variables in wanted["environments"].items():
            said = {"apiVersion": GROUP, "kind": "APIEnvironmentConfig", "metadata": {"name": api, "environment": name}}
            made[f"{folder}/environments/{name}.yaml"] = dumped({**said, "variables": variables})
    except (ValueError, RecursionError) as error:
        detail, hint = "the body holds what YAML in UTF-8 cannot say", "send plain text, numbers, lists and maps"
        raise Refused("INVALID_VALUE", detail, field="body", hint=hint) from error
    return made


def writes(change: Change, there: Files, every: Collection[str]) -> dict[str, bytes | None]:
    """Each file that differs, by path, None for one to remove. `there` are those of `OURS` at the branch's head,
    `every` all paths of the API. Raises Refused."""
    file = f"{change.folder}/api.yaml"
    if change.action == "delete":
        return dict.fromkeys(sorted(every))
    if change.action in ("create", "replace"):
        lifecycle = stated(there[file], file) if file in there else None
        made = made_of(change.tenant, change.api, change.wanted, lifecycle)
        gone: dict[str, bytes | None] = {path: None for path in sorted(there) if path not in made}
        return {**{path: data for path, data in made.items() if there.get(path) != data}, **gone}
    if file not in there:
        raise Refused("API_FILE_MISSING", "the API has no api.yaml", file=file, status=409, hint="push it to Git first")
    data = restated(there[file], file, _next(change, stated(there[file], file)))
    return {file: data} if data != there[file] else {}


def _next(change: Change, now: Lifecycle) -> Lifecycle:
    if change.action == "publish":
        return Lifecycle(state="published")
    since, sunset = now.deprecated or change.wanted["deprecated"], change.wanted["sunset"]
    return Lifecycle(state="deprecated", deprecated=since, sunset=sunset)


def hashes(files: Mapping[str, bytes | None]) -> dict[str, str | None]:
    return {path: None if data is None else hashlib.sha256(data).hexdigest() for path, data in files.items()}


def ours(folder: str, paths: Iterable[str]) -> list[str]:
    return sorted(path for path in paths if path.removeprefix(f"{folder}/") in OURS)
