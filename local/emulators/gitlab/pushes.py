"""From refs that moved to the push events that hooks are told, as GitLab builds them."""

import fnmatch
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.emulators.gitlab.courier import Delivery
from local.emulators.gitlab.instance import Instance, Project
from local.emulators.gitlab.repository import HEADS, TAGS, Commit, Repository
from local.emulators.gitlab.settings import USER_ID, USER_NAME, USERNAME
from local.emulators.gitlab.store import Json

LISTED = 20
VISIBILITY = {"private": 0, "internal": 10, "public": 20}
REPOSITORY = ("name", "url", "description", "homepage", "git_http_url", "git_ssh_url", "visibility_level")


@dataclass(frozen=True)
class Change:
    """A ref that moved; all zeros for one that was not there before, or is not there any more."""

    ref: str
    before: str
    after: str

    @property
    def created(self) -> bool:
        return not self.before.strip("0")

    @property
    def removed(self) -> bool:
        return not self.after.strip("0")


@contextmanager
def pushing(instance: Instance, project: Project, options: Json | None = None) -> Iterator[dict[str, str]]:
    """Whatever moves refs inside this block is one push, and told to the hooks when it ends; gives the refs before."""
    repository = project.repository
    with repository.lock:
        before = repository.refs()
        yield before
        after = repository.refs()
        project = _with_first_branch(instance, project, before, after)
    moved = [ref for ref in sorted({*before, *after}) if before.get(ref) != after.get(ref)]
    none = repository.zeros
    _announce(instance, project, [Change(r, before.get(r, none), after.get(r, none)) for r in moved], options or {})


def _with_first_branch(instance: Instance, project: Project, before: Json, after: Json) -> Project:
    """The first branch ever pushed becomes the default one, and protected, when that does not exist."""
    names = [ref.removeprefix(HEADS) for ref in after if ref.startswith(HEADS)]
    if not names or project.default_branch in names or any(ref.startswith(HEADS) for ref in before):
        return project
    project.repository.set_head(names[0])
    return instance.save(project, {"protected": [{"id": 1, "name": names[0], "rule": "no-force"}]})


def _announce(instance: Instance, project: Project, changes: list[Change], options: Json) -> None:
    """Queues the hooks of one push. More branches (or tags) than the limit: none of them."""
    chain = str(uuid.uuid4())
    for kind, prefix in (("push", HEADS), ("tag_push", TAGS)):
        of_kind = [change for change in changes if change.ref.startswith(prefix)]
        if len(of_kind) <= instance.variants.branch_limit:
            for change in of_kind:
                _queue(instance, project, kind, change, options, chain)


def _queue(instance: Instance, project: Project, kind: str, change: Change, options: Json, chain: str) -> None:
    hooks = [hook for hook in instance.store.all("hook", project.id) if _wants(hook, kind, change)]
    if hooks:
        body = json.dumps(payload(instance, project, kind, change, options), separators=(",", ":")).encode()
        event = "Tag Push Hook" if kind == "tag_push" else "Push Hook"
        for hook in hooks:
            key = str(uuid.uuid4())
            instance.courier.dispatch(Delivery(project.id, hook["id"], event, f"{kind}_hooks", body, key, chain))


def _wants(hook: Json, kind: str, change: Change) -> bool:
    if not hook[f"{kind}_events"]:
        return False
    pattern = hook["push_events_branch_filter"]
    return kind == "tag_push" or not pattern or fnmatch.fnmatchcase(change.ref.removeprefix(HEADS), pattern)


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
        "ref_protected": project.protection(change.ref.removeprefix(HEADS)) is not None,
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
        **_touched(project.repository, commit),
    }


def _touched(repository: Repository, commit: Commit) -> dict[str, list[str]]:
    """Against the first parent. A rename is only its new path, in `added`: the old one is in no list."""
    deltas = repository.deltas(commit.parents[0] if commit.parents else repository.empty_tree, commit.id)
    return {
        "added": [delta.new_path for delta in deltas if delta.status in "AR"],
        "modified": [delta.new_path for delta in deltas if delta.status in "MT"],
        "removed": [delta.old_path for delta in deltas if delta.status == "D"],
    }


def _commits(project: Project, kind: str, change: Change) -> tuple[int, list[Commit]]:
    """How many commits the push brought, and the newest of them, the oldest first."""
    repository = project.repository
    if change.removed:
        return 0, []
    if kind == "tag_push":
        tagged = repository.resolve(change.after)[0]
        return (1, [repository.commit(tagged)]) if tagged else (0, [])
    known: list[str] = []
    if not change.created:
        known = [f"^{change.before}"]
    elif change.ref != HEADS + project.default_branch and (default := repository.branch(project.default_branch)):
        # a new branch is told as what the default branch lacks
        known = [f"^{default}"]
    found = repository.commits(f"--max-count={LISTED + 1}", change.after, *known, "--")
    total = len(found) if len(found) <= LISTED else len(repository.ids(change.after, *known))
    return total, found[:LISTED][::-1]


def _checkout(project: Project, change: Change) -> str | None:
    """The commit itself, also of an annotated tag."""
    if change.removed or change.ref.startswith(HEADS):
        return None if change.removed else change.after
    return project.repository.resolve(change.after)[0]


def _tag_message(project: Project, change: Change) -> str | None:
    """The text of an annotated tag."""
    if change.removed or project.repository.git("cat-file", "-t", change.after) != b"tag\n":
        return None
    tag = project.repository.git("cat-file", "tag", change.after).decode(errors="replace")
    return tag.partition("\n\n")[2].rstrip("\n")


def push_options(given: Iterable[str]) -> dict[str, Any]:
    """`-o ci.skip` and `-o merge_request.title=x` as the nested object that a hook sees."""
    options: dict[str, Any] = {}
    for option in given:
        name, has_value, value = option.partition("=")
        group, dot, key = name.partition(".")
        if dot and group in ("ci", "merge_request", "integrations", "secret_detection"):
            options.setdefault(group, {})[key] = value if has_value else True
    return options
