"""Reads what a run left, from outside: GitLab's history, AWX's jobs, the topics, the tables, the gateway."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg.rows import dict_row

from local.chaos.around import memory, people, rollouts
from local.chaos.evidence import BROKEN, Commit, Content, Evidence, Job, Push, Request, Status, Told
from local.chaos.load import APIS, Notes
from local.stack import Stack
from local.topics import records
from local.workspace import TENANT, Workspace

DOCUMENT = re.compile(rf"tenants/{TENANT}/apis/([^/]+)/openapi\.yaml")
PATH = re.compile(r"^(# |  )(/round-\d+)", re.MULTILINE)
CHANGE = re.compile(r":\d+ \d+ [0-9a-f]+ ([0-9a-f]+) ([A-Z])\d*\t(.+)")
TIMEOUT_S = 20


def collect(
    stack: Stack, workspace: Workspace, notes: Notes, faults: Mapping[str, int], left: Sequence[str]
) -> Evidence:
    """`faults` counts what was done; `left` is what was still under way when nobody waited any longer."""
    history = tuple(git_history(stack.home.path("checked"), workspace))
    with psycopg.connect(stack.postgres.url, row_factory=dict_row) as connection:
        connection.read_only = True
        pushes = connection.execute("SELECT id, after_sha, state, outcome FROM pushes ORDER BY received_at").fetchall()
        rows = connection.execute("SELECT * FROM deployments ORDER BY id").fetchall()
        statuses = connection.execute("SELECT * FROM api_status").fetchall()
    return Evidence(
        history=history,
        acknowledged=tuple(notes.acknowledged),
        delivered=tuple(_delivered(stack)),
        pushes=tuple(_push(row) for row in pushes),
        requests=tuple(_request(row) for row in rows),
        asked=tuple(_told(stack, "deploy-requests")),
        results=tuple(_told(stack, "deploy-results")),
        jobs=tuple(_jobs(stack)),
        answers=tuple(notes.answers),
        cancelled=frozenset(notes.cancelled),
        served=dict(_served(stack.url("gateway"), history)),
        sent=dict(notes.sent),
        statuses=tuple(_status_of(row) for row in statuses),
        faults=faults,
        left=tuple(left),
        memory=memory(stack) if stack.options.around else None,
        people=people(stack) if stack.options.around else None,
        rollouts=rollouts(stack) if stack.options.around else None,
    )


def git_history(folder: Path, workspace: Workspace) -> Iterator[Commit]:
    """The default branch as GitLab has it, cloned anew; what each API was after each commit."""
    clone = folder / "clone.git"
    workspace.mirror(clone)
    log = _git(
        clone,
        "log",
        "--reverse",
        "--first-parent",
        "--root",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "--format=%H",
        "main",
    )
    apis: dict[str, Content] = {}
    sha = ""
    blobs = Blobs(clone)
    for line in log.splitlines():
        if re.fullmatch(r"[0-9a-f]{40}", line):
            if sha:
                yield Commit(sha, dict(apis))
            sha = line
        elif (change := CHANGE.fullmatch(line)) and (document := DOCUMENT.fullmatch(change[3])):
            apis[document[1]] = None if change[2] == "D" else blobs.content(change[1])
    yield Commit(sha, dict(apis))


class Blobs:
    def __init__(self, clone: Path) -> None:
        self._clone = clone

    def content(self, blob: str) -> Content:
        found = PATH.search(_git(self._clone, "cat-file", "blob", blob))
        if found is None:
            return f"{BROKEN}{blob}"
        return BROKEN + found[2] if found[1] == "# " else found[2]


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def _delivered(stack: Stack) -> Iterator[str]:
    found = requests.get(f"{stack.url('gitlab')}/_emulator/deliveries", timeout=TIMEOUT_S).json()["deliveries"]
    yield from (entry["key"] for entry in found if entry["status"] == 202)


def _push(row: dict[str, Any]) -> Push:
    codes = tuple(said["code"] for said in row["outcome"] or () if "code" in said)
    return Push(row["id"], row["after_sha"], row["state"], codes)


def _request(row: dict[str, Any]) -> Request:
    names = ("id", "api", "environment", "action", "generation", "state", "trigger")
    code = row["error"]["code"] if row["error"] else None
    return Request(**{name: row[name] for name in names}, commit=row["commit_sha"], code=code)


def _status_of(row: dict[str, Any]) -> Status:
    names = ("api", "environment", "deployment_id", "status")
    return Status(**{name: row[name] for name in names}, serving=row["serving_deployment_id"])


def _told(stack: Stack, topic: str) -> Iterator[Told]:
    seen = set()
    for record in records(stack.kafka.bootstrap, topic):
        event_id = dict(record.headers)["ce_id"].decode()
        if event_id not in seen:
            seen.add(event_id)
            said = json.loads(record.value)
            yield Told(event_id, said["deployment_id"], said.get("status", ""))


def _jobs(stack: Stack) -> Iterator[Job]:
    """As AWX's own API lists them: `started` is null for one that never ran."""
    headers = {"Authorization": f"Bearer {stack.home.secret('awx_token')}"}
    path: str | None = "/api/v2/jobs/?order_by=id&page_size=200"
    while path:
        page = requests.get(stack.url("awx") + path, headers=headers, timeout=TIMEOUT_S).json()
        for job in page["results"]:
            sent = json.loads(job["extra_vars"])
            lane = f"{sent['tenant_id']}/{sent['api_name']}/{sent['environment']}"
            deployment_id = job["skip_tags"].removeprefix("stoa-")
            times = _seconds(job["started"]), _seconds(job["finished"])
            yield Job(job["id"], deployment_id, lane, sent["desired_generation"], job["status"], *times)
        path = page["next"]


def _seconds(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None


def _served(gateway: str, history: Iterable[Commit]) -> Iterator[tuple[str, frozenset[str]]]:
    """Calls every path that an API ever had. Raises RuntimeError for an answer that is neither 200 nor 404."""
    ever: dict[str, set[str]] = {api: set() for api in APIS}
    for commit in history:
        for api, content in commit.apis.items():
            if content and not content.startswith(BROKEN):
                ever[api].add(content)
    session = requests.Session()
    for api, paths in ever.items():
        found = {path: _status(session, f"{gateway}/gateway/{TENANT}.{api}/1.0.0{path}") for path in sorted(paths)}
        yield api, frozenset(path for path, status in found.items() if status == 200)


def _status(session: requests.Session, url: str) -> int:
    status = session.get(url, timeout=TIMEOUT_S).status_code
    if status not in (200, 404):
        raise RuntimeError(f"{url} answers {status}")
    return status
