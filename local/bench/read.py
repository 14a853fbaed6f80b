"""How long the warm handler takes to read one deployment by its id, beside the same rows read and dumped bare.

`measure` runs `python -m local.bench.read <id>`, see warm.py.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from psycopg.rows import dict_row

from local.bench import warm
from local.bench.rows import Row, row
from stoa.deployments import store
from stoa.deployments.model import Deployment, Lane, Verdict
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret

ROUNDS, CALLS = 20, 100
BAR_MS = 3.0


def measure(database_url: str) -> list[Row]:
    """Medians of each round's median. To check the token is a part of the read."""
    ours, baseline = warm.in_a_process("local.bench.read", database_url, stored(database_url))
    return [row("API handler, warm, read by id, p50", ours, baseline, at_most=BAR_MS)]


def stored(database_url: str) -> str:
    """The id of a finished deployment with its steps."""
    at = datetime.now(UTC)
    made = Deployment(
        ids.deployment_id(), Lane("tenant-bench", "orders", "dev"), "deploy", 1, "requested", 1, "c" * 40,
        "gitlab-push", "gitlab:1", ids.trace_id(), at,
    )  # fmt: skip
    database = Database(Secret(database_url), "stoa_worker")
    with database.transaction(made.lane.tenant) as connection:
        store.insert(connection, made)
        for name in ("requested", "prepare", "awx_trigger", "awx_running"):
            store.step(connection, made, name, "success", at, at)
        store.finish(connection, made.id, Verdict("succeeded", {"verified": True}), at)
    database.close()
    return made.id


def _bare(connection: psycopg.Connection[dict[str, object]], deployment_id: str) -> None:
    found = connection.execute("SELECT * FROM deployments WHERE id = %s", (deployment_id,)).fetchone()
    steps = connection.execute("SELECT * FROM deployment_steps WHERE deployment_id = %s", (deployment_id,)).fetchall()
    json.dumps({**(found or {}), "steps": steps}, default=str)


def _median_ms(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)[CALLS // 2]


def main() -> None:
    """Prints the medians of both, as two lists."""
    deployment_id = sys.argv[1]
    ours = warm.prepare()(f"/v1/deployments/{deployment_id}")
    with psycopg.connect(os.environ["STOA_DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection:
        _median_ms(ours)  # warm
        found = [(_median_ms(ours), _median_ms(lambda: _bare(connection, deployment_id))) for _ in range(ROUNDS)]
    print(json.dumps([[mine for mine, _ in found], [bare for _, bare in found]]))  # noqa: T201  for `measure`


if __name__ == "__main__":
    main()
