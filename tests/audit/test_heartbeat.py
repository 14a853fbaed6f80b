"""One heartbeat a minute, the way that every audit event goes; counted where it arrives."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from cdk.wiring import FUNCTIONS
from local.emf import _known
from stoa.audit.events import acted
from stoa.audit.flows import Heartbeat
from stoa.kernel import metrics, outbox
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret
from tests.search.server import NOON


def rows(database: Database) -> list[Any]:
    with database.transaction() as connection:
        return connection.execute("SELECT key, headers, value FROM outbox WHERE topic = 'audit-log'").fetchall()


def test_a_minute_has_one_heartbeat_however_often_a_schedule_ticks(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [NOON]
    monkeypatch.setattr("stoa.audit.flows.now", lambda: at[0])
    databases = [Database(Secret(database_url), "stoa_worker") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        told: list[str] = []
        beats = [Heartbeat(one, told.extend) for one in databases]
        list(pool.map(lambda beat: beat.beat(), beats))
        at[0] = datetime.fromisoformat("2026-03-31T12:01:59.999+00:00")
        for beat in beats:
            beat.beat()
    one, two = rows(databases[0])
    assert told == [one["key"], two["key"]]
    assert (one["key"], two["key"]) == ("heartbeat-20260331T1200Z", "heartbeat-20260331T1201Z")
    said, headers = json.loads(bytes(one["value"])), one["headers"]
    assert (said["event_id"], headers["ce_id"], headers["ce_partitionkey"]) == (one["key"], one["key"], "_platform")
    assert (said["action"], said["actor"], said["tenant"]) == ("AUDIT_HEARTBEAT", "machine:stoa", "_platform")
    sent: list[Any] = []
    assert outbox.publish(databases[0], sent.extend, [one["key"], two["key"]]) == 2
    assert [row.topic for row in sent] == ["audit-log"] * 2
    for database in databases:
        database.close()


def test_both_places_where_it_arrives_are_counted_from_the_start() -> None:
    series = {(metric.name, labels) for metric, labels in _known(FUNCTIONS)}
    for function in ("events_to_archive", "events_to_search"):
        assert {("audit_records", (function, kind)) for kind in ("heartbeat", "action")} <= series
    assert ("audit_checkpoints", ("events_to_archive",)) in series


def test_an_event_of_a_person_gets_an_id_of_its_own() -> None:
    made = [acted("DONE", "x", actor="a", tenant="t", trace_id="trc-" + "0" * 32, at=NOON) for _ in range(2)]
    assert made[0].id != made[1].id
    assert made[0].key == made[0].id
    assert metrics.AUDITED.dimensions == ("kind",)
