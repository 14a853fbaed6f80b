"""A scheduled event of a function whose batches are done as a whole."""

from collections.abc import Callable
from typing import Any

import pytest

from stoa.bootstrap import App
from stoa.entrypoints import kafka_whole
from stoa.kernel.settings import from_environment


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def handler(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    built = App(from_environment({"STOA_DATABASE_URL": database_url, "STOA_KAFKA_BOOTSTRAP": "x"}), publish_wait_s=0)
    monkeypatch.setattr(kafka_whole, "app", lambda: built)
    return lambda tick: kafka_whole.kafka_whole("events_to_archive", lambda app: app.archive.keep, tick=tick)


def test_a_tick_runs_on_a_schedule_and_not_on_records(handler: Any) -> None:
    ticks: list[int] = []
    handle = handler(lambda _: lambda remaining_ms: ticks.append(remaining_ms()))
    handle({"records": {}}, Context())
    assert ticks == []
    handle({}, Context())
    assert ticks == [60_000]


def test_a_key_that_is_missing_is_an_alarm_in_the_log_and_any_other_error_is_raised(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def checkpoint(app: App) -> Any:
        with app.database.transaction() as connection:
            line = {"topic": "audit-log", "partition": 0, "offset": 0, "timestamp": 0, "key": "k", "value": "{}"}
            app.audit_chain.extend(connection, 0, 0, [{**line, "headers": {"ce_id": "e"}}])
        return app.audit_chain.checkpoint

    handler(checkpoint)({}, Context())
    said = [vars(line) for line in caplog.records if line.message == "tick.waits"]
    assert [(one["function"], one["system"], one["alarm"]) for one in said] == [
        ("events_to_archive", "signing-key", True)
    ]

    def bug(_: App) -> Any:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        handler(bug)({}, Context())
