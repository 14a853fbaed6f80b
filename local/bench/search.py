"""How long the warm handler takes to search 10,000 APIs, of all tenants and of one, beside fifty rows read and dumped.

`measure` runs `python -m local.bench.search`, see warm.py.
"""

import json
import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

import psycopg
from psycopg.rows import dict_row

from local.bench import warm
from local.bench.rows import Row, at, row

APIS, TENANTS, ROUNDS = 10_000, 50, 5
BAR_MS = 50.0
SUBJECTS = (
    *("orders", "payments", "customers", "invoices", "shipping", "returns", "catalogue", "weather", "maps", "loans"),
    *("cards", "accounts", "ledger", "tickets", "users", "roles", "tokens", "webhooks", "reports", "events"),
)
VERBS = ("get", "list", "create", "update", "delete", "cancel")
# of every kind: in names, in descriptions, in paths and ids, in all of them, begun, several, and nowhere
QUESTIONS = (
    *("orders", "weather", "o", "getOrders17ById", "/shipping1", "get", "updateTokens", "payments cancel"),
    *("team 42", "number 77", "zzz", "customers-1234", "getU", "invoices about", "by id", "core weather"),
)
_COLUMNS = (
    "tenant, api, generation, created_generation, project_id, commit_sha, environments, created_at, created_by,"
    " updated_at, updated_by, display_name, description, tags, owner, version, operations"
)


def measure(database_url: str) -> list[Row]:
    """p50 and p95 of each round, for all tenants and for one."""
    fill(database_url)
    found = warm.in_a_process("local.bench.search", database_url)
    rows = []
    for name in ("all tenants", "one tenant"):
        for percent in (50, 95):
            ours, bare = ([at(times, percent) for times in found[whose]] for whose in (name, "bare"))
            bar = BAR_MS if percent == 95 else None
            rows.append(row(f"search in {APIS:,} APIs, {name}, p{percent}", ours, bare, at_most=bar))
    return rows


def fill(database_url: str) -> None:
    """APIs that say a little and have 30 operations each."""
    chance = random.Random(1)
    with psycopg.connect(database_url) as connection:
        with connection.cursor().copy(f"COPY apis ({_COLUMNS}) FROM STDIN") as copy:
            for number in range(APIS):
                copy.write_row(_api(number, chance))
        connection.execute("ANALYZE apis")


def _api(number: int, chance: random.Random) -> Sequence[object]:
    subject, at = chance.choice(SUBJECTS), datetime.now(UTC)
    things = [f"{chance.choice(SUBJECTS)}{chance.randrange(3000)}" for _ in range(5)]
    operations = "\n".join(
        f"{verb.upper()} /{thing}/{{id}} {verb}{thing.capitalize()}ById {verb} one of the {thing} of {subject}"
        for thing in things
        for verb in VERBS
    )
    about = f"{subject} and {chance.choice(SUBJECTS)}"
    said = f"All about {about}, number {number}, by team {number % 97}. " + "It is. " * 30
    return (
        f"tenant-{number % TENANTS}", f"{subject}-{number}", 1, 1, 1, "c" * 40, ["dev"], at, "gitlab:1", at, "gitlab:1",
        f"{subject.capitalize()} {number}", said, [chance.choice(SUBJECTS), "core"], f"team-{number % 97}", "1.0.0",
        operations,
    )  # fmt: skip


def _bare(connection: psycopg.Connection[dict[str, object]], question: str) -> None:
    sql = f"SELECT {_COLUMNS} FROM apis WHERE tenant = %s ORDER BY tenant, api LIMIT 50"
    rows = connection.execute(sql, (f"tenant-{len(question)}",)).fetchall()
    json.dumps(rows, default=str)


def _times(prepare: Callable[[str], Callable[[], object]]) -> list[float]:
    taken = []
    for question in QUESTIONS * 3:
        call = prepare(question)
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def main() -> None:
    """Prints the times of each round, of each kind."""
    get = warm.prepare()
    with psycopg.connect(os.environ["STOA_DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection:
        kinds: dict[str, Callable[[str], Callable[[], object]]] = {
            "all tenants": lambda question: get("/v1/apis", f"q={quote(question)}"),
            "one tenant": lambda question: get("/v1/apis", f"q={quote(question)}&tenant=tenant-7"),
            "bare": lambda question: partial(_bare, connection, question),
        }
        for kind in kinds.values():
            _times(kind)  # warm
        rounds = [{name: _times(kind) for name, kind in kinds.items()} for _ in range(ROUNDS)]
    print(json.dumps({name: [one[name] for one in rounds] for name in kinds}))  # noqa: T201  for `measure`


if __name__ == "__main__":
    main()
