"""What a change of files means for the APIs themselves, wherever they are deployed. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from posixpath import relpath

from stoa.gitops.model import API_FILE, ENVIRONMENTS, SLUG, Api, Change, Folder, folders_of, lanes_of

NAMED_CHANGES = 500


@dataclass(frozen=True)
class Touched:
    """An API whose folder, or a shared file that its deployments read, changed.

    `changes` are at most `NAMED_CHANGES` of the `changed` files, as seen from the API's folder; `environments` those
    it stands in; `defined` says whether it has its api.yaml.
    """

    tenant: str
    api: str
    changes: tuple[str, ...]
    changed: int
    environments: tuple[str, ...]
    defined: bool


@dataclass(frozen=True)
class Apis:
    """What a push means for APIs: `touched` and still there, in order; `present` are all that have any file."""

    touched: tuple[Touched, ...]
    present: frozenset[Api]


@dataclass(frozen=True)
class Commit:
    """The commit that is looked at, of which project, whose push brought it, in which trace, and when."""

    project_id: int
    sha: str
    actor: str
    trace_id: str
    at: datetime


def apis(changes: Iterable[Change], tree: Collection[str]) -> Apis:
    """`tree` is every path at the new commit."""
    folders = folders_of(tree)
    paths: dict[Api, set[str]] = {}
    for change in changes:
        for api in _apis(change, folders):
            if api in folders and SLUG.match(api[0]) and SLUG.match(api[1]):
                paths.setdefault(api, set()).add(relpath(change.path, folders[api].path))
    return Apis(tuple(_touched(api, folders[api], sorted(paths[api])) for api in sorted(paths)), frozenset(folders))


def _apis(change: Change, folders: dict[Api, Folder]) -> set[Api]:
    found = {lane[:2] for lane, _own in lanes_of(change, folders)}
    match = API_FILE.match(change.path)
    return found | {(match[1], match[2])} if match else found


def _touched(api: Api, folder: Folder, changes: list[str]) -> Touched:
    environments = tuple(name for name in ENVIRONMENTS if name in folder.standing)
    defined = "api.yaml" in folder.files
    return Touched(*api, tuple(changes[:NAMED_CHANGES]), len(changes), environments, defined)
