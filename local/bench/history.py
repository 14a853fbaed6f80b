"""A history of a platform with some hundred APIs: as objects of the archive in a folder, and as the live tables.

The events are made by the product's own functions once, and then written with other numbers: what is numbered n is a
function of n, in Python for the archive and in SQL for the tables.
"""

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg

from stoa.archive import model
from stoa.deployments import events
from stoa.deployments.model import Deployment, Lane, Verdict
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event

APIS, TENANTS, PARTITIONS = 300, 10, 6
PER_OBJECT = 1_000
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
TOOK = timedelta(seconds=9)
# what stands in the event that is written again and again
OFFSET, GENERATION, JOB, STAMP = 911_111_111, 922_222_222, 933_333_333, 944_444_444
ID, EVENT, TRACE, COMMIT = "dep-@", "event-@", "trc-" + "@" * 32, "#" * 40
ASKED, ENDED = datetime(1971, 1, 1, tzinfo=UTC), datetime(1972, 1, 1, tzinfo=UTC)
RESULT = {
    "outcome": "applied", "verified": True, "api": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "api_version": "1.4.2",
    "generation": GENERATION, "warnings": [], "policies": ["logging", "throttling", "authentication"],
}  # fmt: skip
ERROR = {"code": "AWX_JOB_FAILED", "detail": 'the task "Import the definition" failed'}


@dataclass(frozen=True)
class Folder:
    """The part of a bucket that a reader uses: of each topic the first `most` objects that were made."""

    path: Path
    most: int

    def names(self, prefix: str) -> Iterator[str]:
        found = sorted((self.path / prefix).rglob("*" + model.SUFFIX))
        return (str(file.relative_to(self.path)) for file in found if _number(file) < self.most)

    def get(self, name: str) -> bytes:
        return (self.path / name).read_bytes()


def _number(file: Path) -> int:
    return int(file.name.removesuffix(model.SUFFIX)) // PER_OBJECT * PARTITIONS + int(file.parent.name)


def archive(folder: Path, count: int) -> None:
    """`count` events: half of them requests, half results; one in ten failed."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(partial(_objects, folder), range(count // 2 // PER_OBJECT), chunksize=10))


def _objects(folder: Path, number: int) -> None:
    """The n-th object of both topics: the events numbered from n * PER_OBJECT, in one partition."""
    partition, first = number % PARTITIONS, number // PARTITIONS * PER_OBJECT
    lines: dict[str, list[str]] = {events.REQUESTS: [], events.RESULTS: []}
    kinds = [(name, _template(kind, partition)) for name, kind in zip(lines, ("asked", "good"), strict=True)]
    bad = _template("bad", partition)
    for index in range(PER_OBJECT):
        n = number * PER_OBJECT + index
        for name, template in kinds:
            chosen = bad if name == events.RESULTS and n % 10 == 0 else template
            lines[name].append(_numbered(chosen, n, first + index, name))
    for name, texts in lines.items():
        at = {"topic": name, "partition": partition, "offset": first, "timestamp": _ms(number * PER_OBJECT)}
        target = folder / model.object_name(at)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress("".join(texts).encode(), compresslevel=6, mtime=0))


def _template(kind: str, partition: int) -> str:
    lane = Lane("tenant-@", "api-@", "dev")
    asked = Deployment(
        ID, lane, "deploy", GENERATION, "running", 7, COMMIT, "gitlab-push", "gitlab:12", TRACE, ASKED,
        api_version="1.4.2", awx_job_id=JOB,
    )  # fmt: skip
    if kind == "asked":
        return _line(events.requested(asked), partition)
    ended = Verdict("succeeded", RESULT) if kind == "good" else Verdict("failed", None, ERROR)
    return _line(events.finished(asked, ended, ENDED), partition)


def _line(event: Event, partition: int) -> str:
    headers = [(name, text.encode()) for name, text in event.headers().items()]
    place = (event.topic, partition, OFFSET)
    made = model.line(place, STAMP, event.key.encode(), event.value(), headers)
    return json.dumps(made, separators=(",", ":")).replace(event.id, EVENT) + "\n"


def _numbered(template: str, n: int, offset: int, topic: str) -> str:
    api, asked = n % APIS, BEGUN + timedelta(seconds=n)
    said = {
        str(OFFSET): str(offset),
        str(GENERATION): str(n // APIS + 1),
        str(JOB): str(n),
        str(STAMP): str(_ms(n)),
        ID: f"dep-{n:026d}",
        EVENT: f"{topic[7:10]}{n:033d}",
        TRACE: f"trc-{n:032x}",
        COMMIT: f"{n:040x}",
        "tenant-@": f"tenant-{api % TENANTS}",
        "api-@": f"api-{api}",
        iso(ASKED): iso(asked),
        iso(ENDED): iso(asked + TOOK),
    }
    for mark, text in said.items():
        template = template.replace(mark, text)
    return template


def _ms(n: int) -> int:
    return int(BEGUN.timestamp() + n) * 1000


LIVE = f"""
SET session_replication_role = replica;  -- nobody follows these changes
INSERT INTO deployments (id, tenant, api, environment, action, generation, state, project_id, commit_sha, trigger,
  requested_by, trace_id, api_version, awx_job_id, result, error, requested_at, finished_at)
SELECT 'dep-' || lpad(n::text, 26, '0'), 'tenant-' || mod(mod(n, {APIS}), {TENANTS}), 'api-' || mod(n, {APIS}), 'dev',
  'deploy', n / {APIS} + 1, CASE WHEN mod(n, 10) = 0 THEN 'failed' ELSE 'succeeded' END, 7,
  lpad(to_hex(n), 40, '0'), 'gitlab-push', 'gitlab:12', 'trc-' || lpad(to_hex(n), 32, '0'), '1.4.2', n,
  CASE WHEN mod(n, 10) <> 0 THEN jsonb_set(%(result)s, '{{generation}}', to_jsonb(n / {APIS} + 1)) END,
  CASE WHEN mod(n, 10) = 0 THEN %(error)s::jsonb END,
  %(begun)s::timestamptz + n * interval '1 s', %(begun)s::timestamptz + n * interval '1 s' + interval '9 s'
FROM generate_series(0, %(count)s / 2 - 1) AS n;
INSERT INTO api_status (tenant, api, environment, generation, deployment_id, status, serving_generation,
  serving_deployment_id, serving_version, serving_commit, updated_at)
SELECT tenant, api, environment, d.generation, d.id, CASE d.state WHEN 'failed' THEN 'failed' ELSE 'success' END,
  coalesce(s.generation, 0), s.id, s.api_version, s.commit_sha, d.finished_at
FROM (SELECT DISTINCT ON (api) * FROM deployments ORDER BY api, generation DESC) AS d
LEFT JOIN (SELECT DISTINCT ON (api) * FROM deployments WHERE state = 'succeeded' ORDER BY api, generation DESC) AS s
  USING (tenant, api, environment);
RESET session_replication_role
"""


def live(database_url: str, count: int) -> None:
    """The tables as they are after `count` events."""
    said = {"result": json.dumps(RESULT), "error": json.dumps(ERROR), "begun": BEGUN, "count": count}
    with psycopg.connect(database_url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(LIVE, said)
