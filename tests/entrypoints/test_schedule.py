"""A schedule's tick knows how long its function may still run, and its outage is no failure."""

from types import SimpleNamespace
from typing import Any

import pytest

from stoa.entrypoints import schedule
from stoa.kernel.clock import RemainingMs
from stoa.kernel.errors import Transient

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 4_321)


@pytest.fixture(autouse=True)
def _without_an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "app", lambda: None)


def test_a_tick_is_told_how_much_time_it_has() -> None:
    told: list[int] = []

    def tick(_app: Any, remaining_ms: RemainingMs) -> int:
        told.append(remaining_ms())
        return 3

    assert schedule.scheduled("f", tick)({}, CONTEXT) == {"done": 3}
    assert told == [4_321]


def test_an_outage_is_said_and_any_other_error_is_raised() -> None:
    def raises(error: Exception) -> Any:
        def tick(_app: Any, _remaining_ms: RemainingMs) -> int:
            raise error

        return schedule.scheduled("f", tick)

    assert raises(Transient("awx", "down"))({}, CONTEXT) == {"done": 0, "waits_for": "awx"}
    with pytest.raises(KeyError):
        raises(KeyError("bug"))({}, CONTEXT)
