"""From refs that moved to the push events that hooks are told, as GitLab builds them."""

import fnmatch
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.emulators.gitlab.courier import Delivery
from local.emulators.gitlab.instance import Instance, Project
from local.emulators.gitlab.objects import Commit
from local.emulators.gitlab.settings import USER_ID, USER_NAME, USERNAME
from local.emulators.gitlab.store import Json

LISTED = 20
HEADS, TAGS = "refs/heads/", "refs/tags/"
VISIBILITY = {"private": 0, "internal": 10, "public": 20}
REPOSITORY = ("name", "url", "description", "homepage", "git_http_url", "git_ssh_url", "visibility_level")


@dataclass(frozen=True)
class Change:
    """A ref that moved; all zeros for one that was not there before, or is not there any more."""

    ref: str
    before: str
    after: str

    @property
    def action(self) -> str:
        return "created" if not self.before.strip("0") else "pushed" if self.after.strip("0") else "removed"


def announce(instance: Instance, project: Project, changes: Iterable[Change], options: Json | None = None) -> None:
    """Queues the hooks of one push. More than the limit of branches (or tags) of one action: none of them."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        kind = "tag_push" if change.ref.startswith(TAGS) else "push" if change.ref.startswith(HEADS) else ""
        groups.setdefault((kind, change.action), []).append(change)
    chain = str(uuid.uuid4())
    for (kind, _), group in groups.items():
        if kind and len(group) <= instance.variants.branch_limit:
            for change in group:
                _queue(instance, project, kind, change, options or {}, chain)


def _queue(instance: Instance, project: Project, kind: str, change: Change, options: Json, chain: str) -> None:
    hooks = [hook for hook in instance.store.all("hook", project.id) if _wants(hook, kind, change)]
    if hooks:
        keys = {hook["id"]: str(uuid.uuid4()) for hook in hooks}
        instance.courier.soon(lambda: _send(instance, project, kind, change, options, chain, keys))


def _wants(hook: Json, kind: str, change: Change) -> bool:
    if not hook[f"{kind}_events"]:
        return False
    pattern = hook["push_events_branch_filter"]
    return kind == "tag_push" or not pattern or fnmatch.fnmatchcase(change.ref.removeprefix(HEADS), pattern)


def _send(
    instance: Instance, project: Project, kind: str, change: Change, options: Json, chain: str, keys: dict[int, str]
) -> None:
    body = json.dumps(payload(instance, project, kind, change, options), separators=(",", ":")).encode()
    event = "Tag Push Hook" if kind == "tag_push" else "Push Hook"
    for hook_id, key in keys.items():
        instance.courier.dispatch(Delivery(project.id, hook_id, event, f"{kind}_hooks", body, key, chain))


def payload(instance: Instance, project: Project, kind: str, change: Change, options: Json) -> Json:
    """The body of a push or tag push event."""
    shown = project_attributes(instance, project)
    total, commits = _commits(project, kind, change)
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": change.before,
        "after": change.after,
        "ref": change.ref,
        "ref_protected": any(HEADS + rule["name"] == change.ref for rule in project.body["protected"]),
        "checkout_sha": _checkout(project, change),
        "message": _tag_message(project, change) if kind == "tag_push" else None,
        "user_id": USER_ID,
        "user_name": USER_NAME,
        "user_username": USERNAME,
        "user_email": instance.variants.hidden_email,
        "user_avatar": None,
        "project_id": project.id,
        "project": shown,
        "commits": [commit_attributes(instance, project, commit) for commit in commits],
        "total_commits_count": total,
        "push_options": options,
        "repository": {name: shown[name] for name in REPOSITORY},
    }


def project_attributes(instance: Instance, project: Project) -> Json:
    web = f"{instance.url}/{project.full_path}"
    ssh = f"git@{instance.url.partition('://')[2].partition(':')[0]}:{project.full_path}.git"
    return {
        "id": project.id,
        "name": project.body["name"],
        "description": project.body["description"],
        "web_url": web,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": f"{web}.git",
        "namespace": project.body["namespace_name"],
        "visibility_level": VISIBILITY[project.body["visibility"]],
        "path_with_namespace": project.full_path,
        "default_branch": project.default_branch,
        "ci_config_path": None,
        "homepage": web,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": f"{web}.git",
    }


def commit_attributes(instance: Instance, project: Project, commit: Commit) -> Json:
    return {
        "id": commit.id,
        "message": commit.message,
        "title": commit.title,
        "timestamp": commit.committer.when.isoformat(),
        "url": f"{instance.url}/{project.full_path}/-/commit/{commit.id}",
        "author": {"name": commit.author.name, "email": commit.author.email},
        **touched(project, commit),
    }


def touched(project: Project, commit: Commit) -> dict[str, list[str]]:
    """Against the first parent. A rename is only its new path, in `added`: the old one is in no list."""
    objects = project.repository.objects
    found: dict[str, list[str]] = {"added": [], "modified": [], "removed": []}
    parent = objects.commit(commit.parents[0]) if commit.parents else None
    for status, path in objects.changes(parent.tree if parent else None, commit.tree):
        found[status].append(path)
    if parent and found["added"] and found["removed"]:
        moved = project.repository.git("diff-tree", "-r", "-z", "-M", "--diff-filter=R", parent.id, commit.id)
        for gone in moved.decode(errors="replace").split("\0")[1::3]:
            found["removed"].remove(gone)
    return found


def _commits(project: Project, kind: str, change: Change) -> tuple[int, list[Commit]]:
    """How many commits the push brought, and the newest of them, the oldest first."""
    objects, repository = project.repository.objects, project.repository
    if change.action == "removed":
        return 0, []
    if kind == "tag_push":
        tagged = objects.resolve(change.after)
        return (1, [tagged]) if tagged else (0, [])
    known: list[str] = []
    if change.action == "pushed":
        known = [f"^{change.before}"]
    elif change.ref != HEADS + project.default_branch and repository.branch(project.default_branch):
        known = [f"^{repository.branch(project.default_branch)}"]
    if known and objects.commit(change.after).parents == (change.before,):
        return 1, [objects.commit(change.after)]
    ids = repository.git("rev-list", change.after, *known).decode().split()
    return len(ids), [objects.commit(one) for one in reversed(ids[:LISTED])]


def _checkout(project: Project, change: Change) -> str | None:
    if change.action == "removed":
        return None
    found = project.repository.objects.resolve(change.after)
    return found.id if found else None


def _tag_message(project: Project, change: Change) -> str | None:
    found = project.repository.objects.read(change.after)
    if found is None or found[1] != "tag":
        return None
    return found[2].decode(errors="replace").partition("\n\n")[2].rstrip("\n")


def push_options(given: Iterable[str]) -> dict[str, Any]:
    """`-o ci.skip` and `-o merge_request.title=x` as the nested object that a hook sees."""
    options: dict[str, Any] = {}
    for option in given:
        name, has_value, value = option.partition("=")
        group, dot, key = name.partition(".")
        if dot and group in ("ci", "merge_request", "integrations", "secret_detection"):
            options.setdefault(group, {})[key] = value if has_value else True
    return options
