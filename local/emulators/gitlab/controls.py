"""What only the emulator has: the fate of deliveries, their log, rate limits, variants."""

import time
from dataclasses import asdict, dataclass, fields

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.courier import MODES

HEAVY = ("request_headers", "request_data", "response_headers", "response_body")
NAME = "throttle_authenticated_api"


@dataclass
class RateLimit:
    """`refuse`: so many requests get 429 at once; `limit`: so many per `period_s` are served, in fixed windows."""

    refuse: int = 0
    retry_after_s: int = 1
    limit: int | None = None
    period_s: int = 60
    _began: float = 0.0
    _observed: int = 0

    def take(self, now: float) -> dict[str, str] | None:
        """The headers of the refusal, or None for a request that is served."""
        if self.refuse > 0:
            self.refuse -= 1
            return {"retry-after": str(self.retry_after_s)}
        if self.limit is None:
            return None
        if now - self._began >= self.period_s:
            self._began, self._observed = now, 0
        self._observed += 1
        return self.headers(now) | {"retry-after": self._left(now)} if self._observed > self.limit else None

    def _left(self, now: float) -> str:
        return str(max(int(self._began + self.period_s - now) + 1, 1))

    def headers(self, now: float) -> dict[str, str]:
        """What every answer says while a limit is in force."""
        if self.limit is None:
            return {}
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-observed": str(self._observed),
            "ratelimit-remaining": str(max(self.limit - self._observed, 0)),
            "ratelimit-reset": str(int(time.time()) + int(self._left(now))),
            "ratelimit-name": NAME,
        }

    def shown(self) -> Json:
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}


def set_rate_limit(limit: RateLimit, given: Json) -> Response:
    known = limit.shown()
    if not given.keys() <= known.keys():
        raise refuse(400, f"a rate limit has {', '.join(known)}")
    limit.__init__(**given)  # type: ignore[misc]
    return answer(limit.shown())


def deliveries(call: Call) -> Response:
    """The log, the oldest first: `?after=<id>` for what came later; without the bodies unless `?full=1`."""
    after, full = int(call.query.get("after", 0)), "full" in call.query
    courier = call.instance.courier
    entries = [entry for entry in call.instance.store.all("delivery") if entry["id"] > after]
    shown = entries if full else [{k: v for k, v in entry.items() if k not in HEAVY} for entry in entries]
    return answer({"mode": courier.mode, "count": courier.count, "held": courier.held, "deliveries": shown})


def set_mode(call: Call) -> Response:
    mode, count = call.params.get("mode"), call.params.get("count")
    if mode not in MODES or not (count is None or isinstance(count, int)):
        raise refuse(400, f"mode is one of {', '.join(MODES)}, count a number")
    call.instance.courier.switch(mode, count)
    return answer({"mode": mode, "count": count})


def release(call: Call) -> Response:
    return answer({"released": call.instance.courier.release(backwards=call.flag("backwards"))})


def variants(call: Call) -> Response:
    """`PUT` changes the ones that are named; each keeps its type."""
    current = call.instance.variants
    known = {field.name: getattr(current, field.name) for field in fields(current)}
    for name, value in call.body.items():
        if name not in known or type(value) is not type(known[name]):
            raise refuse(400, f"variants are {known}")
    for name, value in call.body.items():
        setattr(current, name, value)
    return answer(asdict(current))
