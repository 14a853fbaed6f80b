"""What only the emulator has: the fate of deliveries, their log, rate limits, variants."""

from dataclasses import asdict, fields

from starlette.responses import Response

from local.emulators.gitlab.answers import answer, refuse
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.courier import MODES

HEAVY = ("request_headers", "request_data", "response_headers", "response_body")


def rate_limit(call: Call) -> Response:
    limit = call.instance.rate_limit
    if call.method == "PUT":
        known = limit.shown()
        if not call.body.keys() <= known.keys():
            raise refuse(400, f"a rate limit has {', '.join(known)}")
        limit.change(call.body)
    return answer(limit.shown())


def deliveries(call: Call) -> Response:
    """The log, the oldest first: of one `?hook=`, `?after=<id>` for what came later, bodies with `?full=1`."""
    after, full = int(call.query.get("after", 0)), "full" in call.query
    hook = int(call.query["hook"]) if "hook" in call.query else None
    courier = call.instance.courier
    entries = [entry for entry in call.instance.store.all("delivery", hook) if entry["id"] > after]
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
