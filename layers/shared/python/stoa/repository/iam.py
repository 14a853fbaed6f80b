"""iam/*.yaml: who is a member of which tenant, in which role. Pure.

Source of the form: docs/gitops.md. A project's file counts only for tenants that are registered for the project, and
gives no role outside of a tenant.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from stoa.kernel.environments import Environment
from stoa.kernel.errors import Refused
from stoa.repository.dialect import HINT, Slug, Strict, checked
from stoa.repository.yaml_source import Path, Source, read

NAME, FOLDER = "iam", "iam/"
IAM_FILE = re.compile(r"iam/[a-z0-9][a-z0-9-]{0,62}\.yaml\Z")
# kinds of other platforms that stand in this folder by convention: nobody is made one of these by a push
NOT_TAKEN = frozenset({"iam/global-admins.yaml", "iam/service-accounts.yaml"})
MOST_MEMBERS = 200
MOST_FILES = 50

Role = Literal["tenant-admin", "devops", "viewer"]
# a higher one may more
RANK: Mapping[Role, int] = {"viewer": 1, "devops": 2, "tenant-admin": 3}
LISTS: Mapping[str, Role] = {"cpi": "tenant-admin", "devops": "devops", "viewers": "viewer"}
ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
Text = Annotated[str, StringConstraints(max_length=4000)]
Email = Annotated[str, StringConstraints(pattern=ADDRESS, max_length=254)]


class Person(Strict):
    """`name`, `addedAt` and `addedBy` are for who reads the file."""

    email: Email
    name: Text = ""
    addedAt: Text = ""
    addedBy: Text = ""


People = Annotated[list[Person], Field(max_length=MOST_MEMBERS)]


class Members(Strict):
    cpi: People = []
    devops: People = []
    viewers: People = []


class Owner(Strict):
    email: Email
    name: Text = ""


class TenantEntry(Strict):
    """Beside `id` and `members`, all of it is for who reads the file."""

    id: Slug
    displayName: Text = ""
    description: Text = ""
    status: Literal["active"] = "active"
    createdAt: Text = ""
    owner: Owner | None = None
    environments: list[Environment] = []
    members: Members


class TenantRegistry(Strict):
    """iam/tenants.yaml, or several files beside each other"""

    apiVersion: Literal["stoa.cab-i.com/v1"]
    kind: Literal["TenantRegistry"]
    tenants: Annotated[list[TenantEntry], Field(min_length=1, max_length=200)]


@dataclass(frozen=True)
class Roster:
    """A tenant's members by address, in small letters, and where each stands in its file."""

    file: str
    people: Mapping[str, Role]
    lines: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Iam:
    """What the files say: `faults` by tenant, `elsewhere` of what concerns no tenant of the project."""

    rosters: Mapping[str, Roster]
    faults: Mapping[str, Refused]
    elsewhere: tuple[Refused, ...] = ()


@dataclass(frozen=True)
class IamPush:
    """The push that brought the files. `people` are the addresses of its commits' authors and committers; None when
    nobody can tell them any more."""

    project_id: int
    commit: str
    pusher: str
    trace_id: str
    people: frozenset[str] | None


def is_touched(paths: Iterable[str]) -> bool:
    return any(path.startswith(FOLDER) for path in paths)


def rosters(data: Callable[[str], bytes], tree: Collection[str], tenants: frozenset[str]) -> Iam:
    """What the files among `tree` say of the tenants of this project; `data` reads one. A file that cannot be read is a
    fault of every tenant that no other file names: one of them was in it, or was meant to be."""
    paths = [path for path in sorted(tree) if path.startswith(FOLDER)]
    files = [path for path in paths if IAM_FILE.match(path) and path not in NOT_TAKEN][:MOST_FILES]
    found: dict[str, Roster] = {}
    faults: dict[str, Refused] = {}
    broken: list[Refused] = []
    elsewhere = [_unread(path) for path in paths if path not in files]
    for path in files:
        try:
            source = read(data(path), path)
            entries = checked(TenantRegistry, source, source.content).tenants
        except Refused as error:
            broken.append(error)
            continue
        for number, entry in enumerate(entries):
            try:
                _take(found, faults, source, ("tenants", number), entry, tenants)
            except Refused as error:
                if entry.id in tenants:
                    faults[entry.id] = error
                else:
                    elsewhere.append(error)
    for tenant in tenants - found.keys() - faults.keys() if broken else ():
        faults[tenant] = broken[0]
    return Iam({name: roster for name, roster in found.items() if name not in faults}, faults, tuple(elsewhere))


def _take(
    found: dict[str, Roster], faults: Mapping[str, Refused], source: Source, path: Path, entry: TenantEntry,
    tenants: frozenset[str],
) -> None:  # fmt: skip
    if entry.id not in tenants:
        hint = "let the tenant be registered for this project, or take it out of the file"
        detail = "the project may not touch this tenant"
        raise source.refused("TENANT_NOT_REGISTERED", detail, (*path, "id"), hint)
    if entry.id in found or entry.id in faults:
        detail, hint = f"{entry.id} stands here a second time", "name each tenant once, in one file"
        raise source.refused("IAM_TENANT_TWICE", detail, (*path, "id"), hint)
    found[entry.id] = _roster(source, (*path, "members"), entry)


def _roster(source: Source, path: Path, entry: TenantEntry) -> Roster:
    people: dict[str, Role] = {}
    lines: dict[str, int | None] = {}
    for name, role in LISTS.items():
        for number, person in enumerate(getattr(entry.members, name)):
            place = (*path, name, number, "email")
            email = person.email.lower()
            if email in people:
                hint = "keep the line with the role that is meant"
                raise source.refused("IAM_PERSON_TWICE", "this address stands in the tenant a second time", place, hint)
            people[email], lines[email] = role, source.line(place)
    if "tenant-admin" not in people.values():
        detail, hint = f"nobody would administer {entry.id}", "name at least one person under cpi"
        raise source.refused("IAM_NO_ADMIN", detail, (*path, "cpi"), hint)
    return Roster(source.file, people, lines)


def _unread(path: str) -> Refused:
    if path in NOT_TAKEN:
        detail = "administrators of the platform and accounts of machines are not made by a push: the file is not read"
        return Refused("IAM_FILE_NOT_TAKEN", detail, file=path, hint="take it out; they are made in the realm itself")
    detail = "the file is not read: below iam/ are only files like tenants.yaml"
    return Refused("NAME_INVALID", detail, file=path, hint=HINT)


def plain(email: str) -> str:
    """As two addresses of one person are compared: without what follows a plus sign."""
    local, _, domain = email.strip().lower().partition("@")
    return f"{local.partition('+')[0]}@{domain}"


def raised(old: Mapping[str, Role], new: Roster, people: frozenset[str] | None) -> Refused | None:
    """Who would give themselves a role that they have not yet, or a higher one; nobody may. `people` wrote what was
    changed since `old`."""
    higher = {email for email, role in new.people.items() if RANK[role] > (RANK[old[email]] if email in old else 0)}
    if people is None and higher:
        detail = "nobody can tell any more who made these commits, and one of them may be who gains a role"
        return Refused(
            "IAM_AUTHORS_UNKNOWN", detail, file=new.file, hint="take the line out again, then put it in once more"
        )
    authors = {plain(email) for email in people or ()}
    for email in sorted(higher):
        if plain(email) in authors:
            detail = "whom this line names wrote a commit of the push, and would gain a role by it"
            hint = "take the line out again, then let another person put it in"
            return Refused("IAM_OWN_RIGHTS", detail, file=new.file, line=new.lines.get(email), hint=hint)
    return None
