"""`stoa dlq replay`: what is sent back is what came, once, slowly, and on the audit log."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from local.cli.main import app
from local.dead_letters import DeadLetter
from local.redelivery import Replay, plan
from local.topics import create_topics, records
from stoa.adapters.awx import Awx
from stoa.adapters.kafka import CUT, Producer
from stoa.deployments.events import Cause, requested
from stoa.deployments.flows import Deployments
from stoa.deployments.queries import DeploymentQueries
from stoa.entrypoints import dead_letters
from stoa.entrypoints.kafka import Consumer
from stoa.gitops.events import Prepared
from stoa.kernel import ids
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from stoa.kernel.outbox import Row
from stoa.kernel.settings import Secret
from tests.flows.thrown_away_awx import LAUNCH_VARS, ThrownAwayAwx
from tests.lambda_records import lambda_record

STOA = str(Path(sys.executable).with_name("stoa"))
GROUP = "deploy_requests_to_awx.deploy-requests"
TENANT = "tenant-acme"


class Letters:
    """A dead-letter topic as the consumers write it, and the command that sends back."""

    def __init__(self, bootstrap: str, database_url: str) -> None:
        self.bootstrap, self.database_url = bootstrap, database_url
        self.producer = Producer(bootstrap)
        self.code = f"CODE_{uuid.uuid4().hex[:8].upper()}"  # the topics are shared: each test looks at its own

    def put(self, row: Row, offset: int = 7) -> None:
        dead_letters.send(
            self.producer.send,
            lambda_record(row, offset),
            GROUP,
            Refused(self.code, "no"),
            1,
        )

    def replay(self, *arguments: str) -> list[dict[str, Any]]:
        command = ["dlq", "replay", "--topic", "deploy-requests", "--code", self.code, "--json", *arguments]
        return self.run(*command)

    def run(self, *command: str) -> list[dict[str, Any]]:
        environment = {"STOA_DATABASE_URL": self.database_url}
        done = CliRunner().invoke(app, [*command, "--bootstrap", self.bootstrap], env=environment)
        assert done.exit_code == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def on(self, topic: str, key: str) -> list[Any]:
        return [one for one in records(self.bootstrap, topic) if one.key == key.encode()]


def some_row(**headers: str) -> Row:
    known = {"ce_id": str(uuid.uuid4()), "ce_traceparent": ids.traceparent("trc-" + "a" * 32), **headers}
    return Row(0, "deploy-requests", f"{TENANT}/{uuid.uuid4().hex}", known, b'{"umlaut":"\xc3\xbc"}')


@pytest.fixture
def letters(kafka: Any, database_url: str) -> Iterator[Letters]:
    create_topics(kafka.bootstrap)
    made = Letters(kafka.bootstrap, database_url)
    yield made
    made.producer.close()


def test_a_letter_goes_back_once_as_it_came_and_only_when_asked(letters: Letters, database: Database) -> None:
    row = some_row()
    letters.put(row)
    (dry,) = letters.replay()
    assert (dry["key"], dry["topic"], dry["sent"], dry["why_not"]) == (row.key, "deploy-requests", False, None)
    assert letters.on("deploy-requests", row.key) == []
    assert [one["sent"] for one in letters.replay("--yes")] == [True]
    (back,) = letters.on("deploy-requests", row.key)
    assert (back.value, {k: v.decode() for k, v in back.headers}) == (row.value, row.headers)
    again = letters.replay("--yes")
    assert [(one["sent"], "--again" in one["why_not"]) for one in again] == [(False, True)]
    assert [one["sent"] for one in letters.run("dlq", "replay", dry["place"], "--yes", "--again", "--json")] == [True]
    assert len(letters.on("deploy-requests", row.key)) == 2
    with database.transaction() as connection:
        audits = list(connection.execute("SELECT * FROM outbox WHERE topic = 'audit-log' ORDER BY seq"))
    assert len(audits) == 2
    said = json.loads(bytes(audits[0]["value"]))
    assert (said["action"], said["resource"]) == ("DEAD_LETTER_REPLAYED", f"dead-letters/{dry['place']}")
    assert (said["tenant"], said["before"]["dlq_code"]) == ("_platform", letters.code)
    assert (said["trace_id"], said["after"]["event_id"]) == ("trc-" + "a" * 32, row.headers["ce_id"])
    assert len(letters.on("audit-log", said["event_id"])) == 1, "published at once, under a key of its own"


def test_a_name_that_is_none_is_no_good_news(letters: Letters) -> None:
    environment = {"STOA_DATABASE_URL": letters.database_url}
    command = ["dlq", "replay", "--bootstrap", letters.bootstrap, "--topic"]
    done = CliRunner().invoke(app, [*command, "nope"], env=environment)
    assert (done.exit_code, "no topic nope.dlq" in done.stderr) == (2, True)
    letters.put(some_row())
    done = CliRunner().invoke(app, [*command, "deploy-requests", "--code", "TYPO"], env=environment)
    assert (done.exit_code, "none has the code TYPO" in done.stderr) == (0, True)


def test_what_is_not_whole_any_more_is_never_sent(letters: Letters) -> None:
    whole, cut, foreign = some_row(), some_row(), some_row()
    letters.put(replace(cut, value=b"x" * 1_000_000))
    letters.put(whole)
    said = {"dlq_code": letters.code, "dlq_topic": "git-pushes"}
    letters.producer.send([Row(0, "deploy-requests.dlq", foreign.key, {**foreign.headers, **said}, b"{}")])
    sent = {one["key"]: one["sent"] for one in letters.replay("--yes")}
    assert sent == {whole.key: True, cut.key: False, foreign.key: False}
    assert [len(letters.on("deploy-requests", row.key)) for row in (whole, cut, foreign)] == [1, 0, 0]


def audited(database: Database) -> bool:
    """Whether a letter's audit event is published: the last that is done for it."""
    with database.transaction() as connection:
        text = "SELECT 1 FROM outbox WHERE topic = 'audit-log' AND published_at IS NOT NULL"
        return connection.execute(text).fetchone() is not None


def asleep(pid: int) -> bool:
    """Whether it waits for something: after the first letter, for the rate to let the second go."""
    return bool(psutil.Process(pid).status() == psutil.STATUS_SLEEPING)


def test_ctrl_c_says_which_letters_were_sent(letters: Letters, database: Database) -> None:
    first, second = some_row(), some_row()
    letters.put(first)
    time.sleep(0.002)  # the order of letters in two partitions is that of their times
    letters.put(second)
    # a shell that starts the tests in the background has them ignore SIGINT, which is inherited
    command = ["env", "--default-signal=INT", STOA, "dlq", "replay", "--topic", "deploy-requests", "--code",
               letters.code, "--bootstrap", letters.bootstrap, "--json", "--yes", "--rate", "0.02"]  # fmt: skip
    environment = {**os.environ, "STOA_DATABASE_URL": letters.database_url}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        until = time.monotonic() + 120
        while not (audited(database) and asleep(run.pid)) and time.monotonic() < until:
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        said = {one["key"]: one for one in map(json.loads, run.communicate(timeout=20)[0].splitlines())}
    finally:
        run.kill()
    assert [said[row.key]["sent"] for row in (first, second)] == [True, False]
    assert "not known to be sent" in said[second.key]["why_not"]


def test_a_run_that_dies_after_the_sending_sends_again_and_one_that_is_slower_not(
    letters: Letters, database: Database
) -> None:
    letter = DeadLetter("deploy-requests.dlq", 0, 1, "a/b", b"{}", {"dlq_topic": "deploy-requests", "ce_id": "e"})
    plans = plan([letter], frozenset(), limit=1)
    taken: list[str] = []

    class Dies:
        def send(self, rows: list[Row]) -> None:
            taken.extend(row.topic for row in rows)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Replay(database, Dies(), "machine:x", 1, again=False).run(plans))  # type: ignore[arg-type]
    replay = Replay(database, letters.producer, "machine:x", 1, again=False)
    assert (taken, len(list(replay.run(plans))), len(list(replay.run(plans)))) == (["deploy-requests"], 1, 0)


def test_the_rate_is_held_the_oldest_go_first_and_one_event_goes_once(letters: Letters, database: Database) -> None:
    def letter(number: int, event: str) -> DeadLetter:
        headers = {"dlq_topic": "deploy-requests", "dlq_at": f"2026-01-01T00:00:0{number}.000Z", "ce_id": event}
        return DeadLetter("deploy-requests.dlq", 1, number, f"{TENANT}/{event}", b"{}", headers)

    plans = plan([letter(n, f"e{n % 4}") for n in (4, 3, 2, 1, 0)], frozenset(), limit=9)
    assert [(one.letter.offset, bool(one.why_not)) for one in plans] == [
        *((n, False) for n in range(4)), (4, True),
    ]  # fmt: skip
    assert len(plan([letter(n, f"e{n}") for n in range(4)], frozenset(), limit=2)) == 2
    begun = time.monotonic()
    assert len(list(Replay(database, letters.producer, "machine:x", 20.0, again=False).run(plans))) == 4
    assert time.monotonic() - begun >= 3 / 20


def given_up(offset: int, event: str, at: int = 0, partition: int = 0) -> DeadLetter:
    headers = {"dlq_topic": "deploy-requests", "dlq_at": f"2026-01-01T00:00:0{at}.000Z", "ce_id": event}
    return DeadLetter("deploy-requests.dlq", partition, offset, f"{TENANT}/{event}", b"{}", headers)


def test_an_event_that_came_back_after_it_was_sent_is_sent_again_and_its_twin_is_not() -> None:
    first, cut, *later = given_up(0, "e"), given_up(1, "f"), given_up(2, "e"), given_up(3, "e"), given_up(4, "f")
    cut.headers[CUT] = "2000000"
    plans = plan([first, cut, *later], frozenset({first.place}), limit=9)
    assert [one.letter.offset for one in plans if not one.why_not] == [2, 4]
    assert [one.letter.offset for one in plans if "the same event" in one.why_not] == [3]


def test_two_letters_of_one_event_are_one_for_the_next_run_as_well(letters: Letters) -> None:
    """Two consumers gave it up; and the limit is reached with the first letter."""
    row = some_row()
    letters.put(row)
    letters.put(row)
    assert [one["sent"] for one in letters.replay("--yes", "--limit", "1")] == [True, False]
    assert [one["sent"] for one in letters.replay("--yes")] == [False, False]
    letters.put(row)
    assert [one["sent"] for one in letters.replay("--yes")] == [False, False, True], "it came back"
    assert len(letters.on("deploy-requests", row.key)) == 2


def test_letters_of_a_partition_keep_their_order_whatever_the_clocks_of_their_consumers_say() -> None:
    letters = [given_up(5, "e", at=9), given_up(6, "e2", at=1), given_up(0, "g", at=4, partition=1)]
    plans = plan(reversed(letters), frozenset(), limit=9)
    assert [(one.letter.partition, one.letter.offset) for one in plans] == [(1, 0), (0, 5), (0, 6)]


def test_many_letters_are_planned_in_no_time() -> None:
    begun = time.thread_time()
    assert len(plan([given_up(n, f"e{n}") for n in range(20_000)], frozenset(), limit=100_000)) == 20_000
    assert time.thread_time() - begun < 3


def test_an_old_request_that_is_sent_back_ends_superseded_and_never_reaches_awx(
    letters: Letters, database: Database
) -> None:
    awx = ThrownAwayAwx()
    prepared = Prepared(api_version="1.0.0", launch_vars=LAUNCH_VARS, document=b"{}", sha256="0" * 64, report={})
    client = Awx(awx.url, Secret("token"), timeout_s=2)
    flows = Deployments(database, lambda _keys: None, client, lambda _d: prepared, "http://127.0.0.1:1", 0.0, 60.0)
    consume = Consumer("deploy_requests_to_awx", database, letters.producer.send, flows.launch, flows.give_up, True)
    queries = DeploymentQueries(database)
    try:
        old, new = asked(database, flows), asked(database, flows)
        consume.process(batch(lambda_record(new, 2)), lambda: 60_000)
        awx.jobs[0].update(status="successful", event_processing_finished=True,
                           artifacts={"stoa_result": {"verified": True, "outcome": "applied"}})  # fmt: skip
        flows.reconcile()
        letters.put(old)
        assert [one["sent"] for one in letters.replay("--yes")] == [True]
        (back,) = letters.on("deploy-requests", old.key)[-1:]
        headers = {name: value.decode() for name, value in back.headers}
        returned = Row(0, back.topic, back.key.decode(), headers, back.value)
        for _ in range(2):
            consume.process(batch(lambda_record(returned, back.offset + 10)), lambda: 60_000)
        ended = {row.headers["ce_generation"]: queries.read(deployment_of(row))[0].state for row in (old, new)}
        assert ended == {"1": "superseded", "2": "succeeded"}
        assert len(awx.jobs) == 1
        with database.transaction() as connection:
            told = [json.loads(bytes(row["value"]))["deployment_id"] for row in connection.execute(
                "SELECT value FROM outbox WHERE topic = 'deploy-results' ORDER BY seq")]  # fmt: skip
        assert told == [deployment_of(new), deployment_of(old)], "one result each"
    finally:
        awx.shutdown()


def asked(database: Database, flows: Deployments) -> Row:
    """A request as it stands on the topic."""
    cause = Cause(project_id=1, commit="c" * 40, trigger="gitlab-push", actor="gitlab:1", trace_id=ids.trace_id())
    with database.transaction() as connection:
        wanted = {"tenant": TENANT, "api": "orders", "environment": "dev", "action": "deploy"}
        (made,), _ = flows.request(connection, cause, [wanted])  # type: ignore[list-item]
    event = requested(DeploymentQueries(database).read(made)[0])
    return Row(0, event.topic, event.key, event.headers(), event.value())


def deployment_of(row: Row) -> str:
    return str(json.loads(row.value)["deployment_id"])


def batch(one: dict[str, Any]) -> dict[str, Any]:
    return {"records": {f"{one['topic']}-0": [one]}}
