"""The webhook bodies of a push. Source: GitLab's webhook events documentation, in the words it uses."""

from collections.abc import Mapping
from typing import Any

from local.emulators.thin_gitlab.answers import Json
from local.emulators.thin_gitlab.repository import EMPTY_TREE, NONE, Commit, Repository
from local.emulators.thin_gitlab.settings import USER

MOST_COMMITS = 20
MOST_BRANCHES = 3
PUSH, TAG = "Push Hook", "Tag Push Hook"


def events(
    project: Json, repository: Repository, before: Mapping[str, str], after: Mapping[str, str], options: Json
) -> list[tuple[str, Json]]:
    """(event name, body) for each ref that moved; none for branches when more than three moved at once."""
    moved = [ref for ref in sorted({*before, *after}) if before.get(ref) != after.get(ref)]
    branches = [ref for ref in moved if ref.startswith("refs/heads/")]
    tags = [ref for ref in moved if ref.startswith("refs/tags/")]
    told = [(PUSH, ref) for ref in branches] if len(branches) <= MOST_BRANCHES else []
    told += [(TAG, ref) for ref in tags] if len(tags) <= MOST_BRANCHES else []
    return [
        (name, _body(project, repository, ref, before.get(ref, NONE), after.get(ref, NONE), options))
        for name, ref in told
    ]


def _body(project: Json, repository: Repository, ref: str, before: str, after: str, options: Json) -> Json:
    kind = "push" if ref.startswith("refs/heads/") else "tag_push"
    found = _commits(repository, ref, before, after) if kind == "push" else []
    shown = found[:MOST_COMMITS][::-1]
    web = project["web_url"]
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": before,
        "after": after,
        "ref": ref,
        "ref_protected": ref == f"refs/heads/{project['default_branch']}",
        "checkout_sha": None if after == NONE else after,
        "message": None,
        "user_id": USER["id"],
        "user_name": USER["name"],
        "user_username": USER["username"],
        "user_email": USER["email"],
        "user_avatar": None,
        "project_id": project["id"],
        "project": _project(project),
        "commits": [_commit(repository, commit, web) for commit in shown],
        "total_commits_count": len(found),
        "push_options": options,
        "repository": {
            "name": project["name"],
            "url": project["ssh_url_to_repo"],
            "description": project["description"],
            "homepage": web,
            "git_http_url": project["http_url_to_repo"],
            "git_ssh_url": project["ssh_url_to_repo"],
            "visibility_level": 0,
        },
    }


def _commits(repository: Repository, ref: str, before: str, after: str) -> list[Commit]:
    """The newest first. A new branch counts what no other branch has."""
    if after == NONE:
        return []
    if before != NONE:
        return repository.commits(f"{before}..{after}", "--")
    return repository.commits(after, "--not", f"--exclude={ref}", "--branches", "--")


def _commit(repository: Repository, commit: Commit, web: str) -> Json:
    changes = repository.changes(commit.parents[0] if commit.parents else EMPTY_TREE, commit.id)
    removed = [c.old_path for c in changes if c.status in "DR"]
    return {
        "id": commit.id,
        "message": commit.message,
        "title": commit.title,
        "timestamp": commit.committer[2],
        "url": f"{web}/-/commit/{commit.id}",
        "author": {"name": commit.author[0], "email": "[REDACTED]"},
        "added": [c.new_path for c in changes if c.status in "AR"],
        "modified": [c.new_path for c in changes if c.status in "MT"],
        "removed": removed,
    }


def _project(project: Json) -> Json:
    web = project["web_url"]
    names: dict[str, Any] = {name: project[name] for name in ("id", "name", "description", "path_with_namespace")}
    return {
        **names,
        "web_url": web,
        "avatar_url": None,
        "git_ssh_url": project["ssh_url_to_repo"],
        "git_http_url": project["http_url_to_repo"],
        "namespace": project["namespace"]["name"],
        "visibility_level": 0,
        "default_branch": project["default_branch"],
        "ci_config_path": None,
        "homepage": web,
        "url": project["ssh_url_to_repo"],
        "ssh_url": project["ssh_url_to_repo"],
        "http_url": project["http_url_to_repo"],
    }


def sample(project: Json, repository: Repository) -> Json:
    """The body of the hook's test button: the last push that the default branch could have had."""
    branch = project["default_branch"]
    newest = repository.commit(branch)
    before = newest.parents[0] if newest.parents else NONE
    return _body(project, repository, f"refs/heads/{branch}", before, newest.id, {})
