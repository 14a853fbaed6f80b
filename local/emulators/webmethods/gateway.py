"""One gateway: its objects, its runtime, its switches, and the look-ups that every resource needs."""

import time
import uuid
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from local.emulators.webmethods.answers import Json, Refusal, refuse
from local.emulators.webmethods.backend import Backend
from local.emulators.webmethods.dataplane import DataPlane
from local.emulators.webmethods.settings import Config, Timing, Variants, changed_timing, changed_variants
from local.emulators.webmethods.store import Store

NO_PERMISSION = " User doesn't have permission to manage this API"


class Gateway:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.state)
        self.variants = Variants(**(self.store.get("control", "variants") or {}))
        given = {"activation_ms": config.activation_ms, "import_ms": config.import_ms}
        kept = self.store.get("control", "timing") or {}
        self.timing = Timing(**{**kept, **{name: ms for name, ms in given.items() if ms is not None}})
        self.backend = Backend()
        self.plane = DataPlane(self.store, self.backend)
        self.plane.ready_at = time.monotonic() + self.timing.health_lead_ms / 1000
        self.plane.throttle_status = self.variants.throttle_status
        self.created_at: dict[str, float] = {}
        self.stale_turn = False
        self.store.commit()

    def change_variants(self, change: Any) -> Json:
        self.variants = changed_variants(self.variants, change)
        self.plane.throttle_status = self.variants.throttle_status
        return self.store.put("control", "variants", asdict(self.variants))

    def change_timing(self, change: Any) -> Json:
        self.timing = changed_timing(self.timing, change)
        return self.store.put("control", "timing", asdict(self.timing))

    def api(self, api_id: str) -> Json:
        """The record without its definition. Refuses an unknown id the way the variant says."""
        found = self.store.get("api", api_id)
        if found is None:
            raise self.unknown_api(api_id)
        return found

    def unknown_api(self, api_id: str) -> Refusal:
        if self.variants.unknown_api_id == 401:
            return refuse(401, NO_PERMISSION)
        reason = f"Api with ID <{api_id}>does not exists"
        return Refusal(404, {"apiResponse": {"responseStatus": "NOT_FOUND", "errorReason": reason}})

    def created(self, api_id: str) -> None:
        """Remembers when the API came, as long as stale reads are asked for."""
        if self.timing.stale_read_ms:
            self.created_at[api_id] = time.monotonic()

    def is_stale(self, api_id: str) -> bool:
        """Whether this read of a new API lands on the node that does not know it yet: every second one does."""
        born = self.created_at.get(api_id)
        if born is None or (time.monotonic() - born) * 1000 >= self.timing.stale_read_ms:
            return False
        self.stale_turn = not self.stale_turn
        return self.stale_turn

    def definition(self, api_id: str) -> Json:
        return self.store.get("definition", api_id) or {}

    def touched(self, api: Json, rebind: bool = False) -> None:
        """Brings the runtime in line with the record: an active API is deployed again, an inactive one stopped."""
        if api["isActive"]:
            self.plane.serve(api, rebind)
        else:
            self.plane.stop(api["id"])


def new_id() -> str:
    return str(uuid.uuid4())


async def json_body(request: Request) -> Any:
    """The parsed body. Refuses what is no JSON with 400."""
    try:
        return await request.json()
    except ValueError as error:
        raise refuse(400, " Error in processing the payload. Check the correctness of key and payload.") from error


async def json_object(request: Request) -> Json:
    body = await json_body(request)
    if not isinstance(body, dict):
        raise refuse(400, " Error in processing the payload. Check the correctness of key and payload.")
    return body


def note(request: Request, **facts: Any) -> None:
    """Adds facts (api_id, name, value ...) to the journal entry of this request."""
    request.state.notes = {**getattr(request.state, "notes", {}), **facts}


def note_api(request: Request, api: Json, **facts: Any) -> None:
    own = {"api_id": api["id"], "name": api["apiName"], "version": api["apiVersion"], "active": api["isActive"]}
    note(request, **own, **facts)
