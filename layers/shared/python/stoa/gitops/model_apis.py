"""What a change of files means for the APIs themselves, wherever they are deployed. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from posixpath import relpath
from typing import Any

from stoa.authoring.events import Authored
from stoa.gitops.model import API_FILE, SLUG, Api, Change, Folder, folders_of, lanes_of
from stoa.kernel.environments import ENVIRONMENTS
from stoa.kernel.errors import Refused
from stoa.openapi import SpecRefused, operations_text
from stoa.repository.definition import SPEC_NAMES, about, api_folder

NAMED_CHANGES = 500
NOT_DESCRIBED = "the push has too many APIs to read in time: the catalogue shows what it showed of this one"
AT_ONCE = 3
LATER = "push a change of a file of the API"

Read = Callable[[Sequence[str]], Mapping[str, bytes]]


@dataclass(frozen=True)
class Touched:
    """An API whose folder, or a shared file that its deployments read, changed.

    `changes` are at most `NAMED_CHANGES` of the `changed` files, as seen from the API's folder; `environments` those
    it stands in; `defined` says whether it has its api.yaml.

    `files` are its api.yaml and its document, as far as there are such, which `described` reads.
    """

    tenant: str
    api: str
    changes: tuple[str, ...]
    changed: int
    environments: tuple[str, ...]
    defined: bool
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """What the files of an API say: the columns of its row. Columns of a file that could not be read are not there,
    and keep what they held; `faults` say why."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Apis:
    """What a push means for APIs: `touched` and still there, in order; `present` are all that have any file."""

    touched: tuple[Touched, ...]
    present: frozenset[Api]
    described: Mapping[Api, Described] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """The commit that is looked at, of which project, whose push brought it, in which trace, and when. `actors` are
    those for whom the platform wrote an API."""

    project_id: int
    sha: str
    actor: str
    trace_id: str
    at: datetime
    actors: Mapping[Api, str] = field(default_factory=dict)

    def of(self, tenant: str, api: str) -> dict[str, Any]:
        """What a row of this API says of the commit."""
        said = {"project_id": self.project_id, "sha": self.sha, "at": self.at}
        return {**said, "actor": self.actors.get((tenant, api), self.actor)}


def apis(changes: Iterable[Change], tree: Collection[str]) -> Apis:
    """`tree` is every path at the new commit."""
    folders = folders_of(tree)
    paths: dict[Api, set[str]] = {}
    for change in changes:
        for api in _apis(change, folders):
            if api in folders and SLUG.match(api[0]) and SLUG.match(api[1]):
                paths.setdefault(api, set()).add(relpath(change.path, folders[api].path))
    return Apis(tuple(_touched(api, folders[api], sorted(paths[api])) for api in sorted(paths)), frozenset(folders))


def attributed(made: Sequence[Authored], newest: Callable[[Api], str | None] | None) -> dict[Api, str]:
    """For whom the platform wrote each API. `made` are its commits, the oldest first; `newest` gives the commit that
    touched an API last, and is None when all of the commits are the platform's."""
    last = {(one.tenant, one.api): one for one in made}
    return {api: one.actor for api, one in last.items() if newest is None or newest(api) == one.sha}


def _apis(change: Change, folders: dict[Api, Folder]) -> set[Api]:
    found = {lane[:2] for lane, _own in lanes_of(change, folders)}
    match = API_FILE.match(change.path)
    return found | {(match[1], match[2])} if match else found


def _touched(api: Api, folder: Folder, changes: list[str]) -> Touched:
    environments = tuple(name for name in ENVIRONMENTS if name in folder.standing)
    defined = "api.yaml" in folder.files
    files = tuple(f"{folder.path}/{name}" for name in ("api.yaml", *SPEC_NAMES) if name in folder.files)
    return Touched(*api, tuple(changes[:NAMED_CHANGES]), len(changes), environments, defined, files)


def described(touched: Sequence[Touched], read: Read, late: Callable[[], bool]) -> dict[Api, Described]:
    """What the files of these APIs say, which `read` gives by their paths, a few APIs at once; when it is too late to
    read on, nothing. Raises what `read` raises, but for Refused."""

    def one(found: Touched) -> Described:
        folder = api_folder(found.tenant, found.api)
        try:
            if late():
                raise Refused("NOT_DESCRIBED", NOT_DESCRIBED, file=folder, hint=LATER)
            return _said(folder, read(found.files))
        except Refused as error:  # too large as well, or a name that GitLab does not read
            return Described(faults=(error.problem(),))

    with ThreadPoolExecutor(AT_ONCE, "describing") as pool:
        return {(found.tenant, found.api): said for found, said in zip(touched, pool.map(one, touched), strict=True)}


def faults(said: Mapping[Api, Described], but_of: Collection[Api]) -> list[dict[str, Any]]:
    """Why files say nothing, of all but these APIs."""
    return [fault for api, about in said.items() if api not in but_of for fault in about.faults]


def _said(folder: str, files: Mapping[str, bytes]) -> Described:
    """A file that says it wrongly takes nothing from the other."""
    columns: dict[str, Any] = {}
    faults = []
    try:
        if f"{folder}/api.yaml" in files:
            said = about(files[f"{folder}/api.yaml"], f"{folder}/api.yaml")
            columns = {**said.model_dump(exclude={"displayName"}), "display_name": said.displayName or ""}
    except Refused as error:
        faults.append(error.problem())
    specs = [path for path in files if path != f"{folder}/api.yaml"]
    try:
        if len(specs) <= 1:  # of two nobody knows which one counts, and the deployment says so
            columns["operations"] = operations_text(files[specs[0]]) if specs else ""
    except SpecRefused as error:
        faults.append(Refused(error.code, error.detail, file=specs[0], line=error.line).problem())
    return Described(columns, tuple(faults))
