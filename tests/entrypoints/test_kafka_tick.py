"""A scheduled event: first what is parked, then the tick of the function, whose outage is no failure."""

from collections.abc import Callable
from typing import Any

import pytest

from stoa.bootstrap import App
from stoa.entrypoints import kafka
from stoa.kernel.errors import Transient
from stoa.kernel.settings import from_environment


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def handler(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    built = App(from_environment({"STOA_DATABASE_URL": database_url, "STOA_KAFKA_BOOTSTRAP": "x"}), publish_wait_s=0)
    monkeypatch.setattr(kafka, "app", lambda: built)
    return lambda tick: kafka.kafka_consumer("f", lambda _: print, tick=tick)


def test_a_tick_runs_on_a_schedule_and_not_on_records(handler: Any) -> None:
    ticks: list[int] = []
    handle = handler(lambda _: lambda remaining_ms: ticks.append(remaining_ms()))
    assert handle({"records": {}}, Context()) == {"batchItemFailures": []}
    assert ticks == []
    assert handle({}, Context()) == {"released": 0}
    assert ticks == [60_000]


def test_a_tick_that_meets_an_outage_is_logged_and_any_other_error_is_raised(handler: Any) -> None:
    def raises(error: Exception) -> Any:
        def tick(_remaining_ms: Any) -> None:
            raise error

        return handler(lambda _: tick)

    assert raises(Transient("slack", "down"))({}, Context()) == {"released": 0}
    with pytest.raises(KeyError):
        raises(KeyError("bug"))({}, Context())
