"""What a change of files means for the APIs themselves, wherever they are deployed. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from posixpath import relpath
from typing import Any

from stoa.authoring.events import Authored
from stoa.gitops.model import API_FILE, ENVIRONMENTS, SLUG, Api, Change, Folder, folders_of, lanes_of

NAMED_CHANGES = 500


@dataclass(frozen=True)
class Touched:
    """An API whose folder, or a shared file that its deployments read, changed.

    `changes` are at most `NAMED_CHANGES` of the `changed` files, as seen from the API's folder; `environments` those
    it stands in; `defined` says whether it has its api.yaml, `rewritten` whether that is new or changed; `lifecycle` is
    what it says then, None where nobody looked or it cannot be read.
    """

    tenant: str
    api: str
    changes: tuple[str, ...]
    changed: int
    environments: tuple[str, ...]
    defined: bool
    rewritten: bool = False
    lifecycle: Mapping[str, Any] | None = None

    @property
    def file(self) -> str:
        return f"tenants/{self.tenant}/apis/{self.api}/api.yaml"


@dataclass(frozen=True)
class Apis:
    """What a push means for APIs: `touched` and still there, in order; `present` are all that have any file."""

    touched: tuple[Touched, ...]
    present: frozenset[Api]


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
    rewritten = defined and "api.yaml" in changes
    return Touched(*api, tuple(changes[:NAMED_CHANGES]), len(changes), environments, defined, rewritten)
