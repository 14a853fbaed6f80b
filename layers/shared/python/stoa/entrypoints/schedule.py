"""A schedule's tick -> one flow. A tick that fails is logged; the next one does the work."""

from collections.abc import Callable, Mapping
from typing import Any

from stoa.bootstrap import App, app
from stoa.kernel.errors import Transient
from stoa.kernel.log import log


def scheduled(name: str, flow: Callable[[App], int]) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """The handler of a scheduled function; it answers with how many things it did."""

    def handler(_event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
        try:
            done = flow(app())
        except Transient as error:
            log.warning("schedule.waits", schedule=name, system=error.system, detail=error.detail, alarm=error.alarm)
            return {"done": 0, "waits_for": error.system}
        if done:
            log.info("schedule.done", schedule=name, done=done)
        return {"done": done}

    return handler
