"""A schedule's tick -> one flow. A tick that fails is logged; the next one does the work."""

from collections.abc import Callable, Mapping
from typing import Any

from stoa.bootstrap import App, app
from stoa.kernel import metrics
from stoa.kernel.clock import RemainingMs
from stoa.kernel.errors import Transient
from stoa.kernel.log import log, unbind

Tick = Callable[[RemainingMs], object]


def scheduled(name: str, flow: Callable[[App, RemainingMs], int]) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """The handler of a scheduled function; it answers with how many things it did."""

    def handler(_event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        outcome = "failed"
        try:
            done = flow(app(), context.get_remaining_time_in_millis)
            outcome = "done"
        except Transient as error:
            outcome = "waits"
            log.warning("schedule.waits", schedule=name, system=error.system, detail=error.detail, alarm=error.alarm)
            return {"done": 0, "waits_for": error.system}
        finally:
            metrics.TICKS.add(outcome=outcome)
            metrics.flush()
        if done:
            log.info("schedule.done", schedule=name, done=done)
        return {"done": done}

    return handler


def run_tick(function: str, flow: Tick, remaining_ms: RemainingMs) -> None:
    """Of a function that also has sources. One that meets an outage is logged; the next one does the work."""
    unbind()
    try:
        flow(remaining_ms)
    except Transient as error:
        log.warning("tick.waits", function=function, system=error.system, detail=error.detail, alarm=error.alarm)
