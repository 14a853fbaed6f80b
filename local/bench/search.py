"""How long the warm handler takes to search 10,000 APIs, of all tenants and of one, beside fifty rows read and dumped.

`measure` runs `python -m local.bench.search` with the settings in its environment: a process as Lambda has it, the
handler called with the event that API Gateway would send. Each question of a round is another one.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import psycopg
from psycopg.rows import dict_row

from local.bench.parts import SECRET
from local.bench.rows import Row, at, row
from local.home import ROOT
from local.runtime import http_event

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
    environment = {
        **os.environ,
        "STOA_DATABASE_URL": database_url,
        "STOA_DEV_TOKEN": SECRET,
        "STOA_USER_REQUESTS_PER_S": "1000",  # more than one container can
        "STOA_USER_BURST": "10000",
        "AWS_LAMBDA_FUNCTION_NAME": "api",
        "POWERTOOLS_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "local.bench.search"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout.splitlines()[-1])
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


def _event(question: str, tenant: str | None) -> dict[str, object]:
    query = f"q={quote(question)}" + (f"&tenant={tenant}" if tenant else "")
    headers = (("host", "api"), ("authorization", f"Bearer {SECRET}"))
    return http_event.event(http_event.Request("GET", "/v1/apis", query, headers, b"", "127.0.0.1", datetime.now(UTC)))


def _bare(connection: psycopg.Connection[dict[str, object]], question: str) -> None:
    sql = f"SELECT {_COLUMNS} FROM apis WHERE tenant = %s ORDER BY tenant, api LIMIT 50"
    rows = connection.execute(sql, (f"tenant-{len(question)}",)).fetchall()
    json.dumps(rows, default=str)


def _times(call: Callable[[str], object]) -> list[float]:
    taken = []
    for question in QUESTIONS * 3:
        begun = time.perf_counter()
        call(question)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def main() -> None:
    """Prints the times of each round, of each kind."""
    from functions.api.handler import handler  # noqa: PLC0415  reads the environment

    def ask(question: str, tenant: str | None = None) -> None:
        if handler(_event(question, tenant), None)["statusCode"] != 200:
            raise RuntimeError("the search was not answered")

    with psycopg.connect(os.environ["STOA_DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection:
        kinds: dict[str, Callable[[str], object]] = {
            "all tenants": ask,
            "one tenant": lambda question: ask(question, "tenant-7"),
            "bare": lambda question: _bare(connection, question),
        }
        for call in kinds.values():
            _times(call)  # warm
        rounds = [{name: _times(call) for name, call in kinds.items()} for _ in range(ROUNDS)]
    print(json.dumps({name: [one[name] for one in rounds] for name in kinds}))


if __name__ == "__main__":
    main()
