"""The state that all handlers share: objects, timing, modes, and who runs the jobs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from starlette.requests import Request

from local.emulators.awx.answers import Json, Refusal, not_found
from local.emulators.awx.moments import now
from local.emulators.awx.settings import MODES, Config, Timing, Variants
from local.emulators.awx.store import Store


class Runs(Protocol):
    """What handlers ask of the scheduler."""

    def wake(self) -> None: ...

    def cancel(self, job_id: int) -> None: ...


class Awx:
    runs: Runs

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.state)
        self.timing = Timing(**(self.store.setting("timing") or {}))
        self.variants = Variants(**(self.store.setting("variants") or {}))
        self.mode: str = self.store.setting("notifications") or MODES[0]
        self.sessions: set[str] = set()

    def object(self, table: str, object_id: int) -> Json:
        """Raises Refusal 404."""
        found = self.store.get(table, object_id)
        if found is None:
            raise not_found()
        return found

    def add(self, table: str, **fields: Any) -> Json:
        at = now()
        return self.store.add(table, {"created": at, "modified": at, **fields})

    def change_timing(self, change: Mapping[str, Any]) -> Json:
        """Raises ValueError for an unknown name or a bad value."""
        self.timing = Timing(**_merged(asdict(self.timing), change))
        self.store.set_setting("timing", asdict(self.timing))
        self.runs.wake()
        return asdict(self.timing)

    def change_variants(self, change: Mapping[str, Any]) -> Json:
        """Raises ValueError for an unknown name or a bad value."""
        self.variants = Variants(**_merged(asdict(self.variants), change))
        self.store.set_setting("variants", asdict(self.variants))
        return asdict(self.variants)

    def change_mode(self, change: Mapping[str, Any]) -> Json:
        """Raises ValueError for an unknown mode."""
        if set(change) != {"mode"} or change["mode"] not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        self.mode = change["mode"]
        self.store.set_setting("notifications", self.mode)
        return {"mode": self.mode}


async def json_object(request: Request) -> Json:
    """The body; an absent one is empty. Raises Refusal 400 as the parser of AWX does."""
    if not (await request.body()).strip():
        return {}
    try:
        body = await request.json()
    except ValueError as error:
        raise Refusal(400, {"detail": f"JSON parse error - {error}"}) from error
    if not isinstance(body, dict):
        raise Refusal(400, {"detail": "JSON parse error - not a JSON object"})
    return body


def _merged(old: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    unknown = set(change) - set(old)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return {**old, **change}
