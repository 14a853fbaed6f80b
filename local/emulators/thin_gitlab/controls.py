"""What only the emulator has: how deliveries go wrong, what was delivered, and the rate limit."""

from starlette.responses import JSONResponse, Response

from local.emulators.thin_gitlab.answers import Call, error
from local.emulators.thin_gitlab.deliveries import MODES
from local.emulators.thin_gitlab.gitlab import GitLab


def change_deliveries(gitlab: GitLab, call: Call) -> Response:
    mode = call.body.get("mode")
    if mode not in MODES:
        raise error(400, f"mode is one of {', '.join(MODES)}")
    gitlab.deliveries.mode = mode
    return JSONResponse({"mode": mode})


def deliveries(gitlab: GitLab, call: Call) -> Response:
    """Every attempt of every hook, in order."""
    shown = [
        {
            "event": entry["request_headers"]["X-Gitlab-Event"],
            "idempotency_key": entry["idempotency_key"],
            "status": entry["response_status"],
            "ms": round(entry["execution_duration"] * 1000, 1),
        }
        for entry in gitlab.store.all("delivery")
    ]
    return JSONResponse({"mode": gitlab.deliveries.mode, "deliveries": shown})


def release(gitlab: GitLab, call: Call) -> Response:
    return JSONResponse({"released": gitlab.deliveries.release()})


def rate_limit(gitlab: GitLab, call: Call) -> Response:
    """`{"retry_after_s": 2, "requests": 3}`: so many API requests are answered with 429."""
    gitlab.limit(int(call.body.get("requests", 0)), int(call.body.get("retry_after_s", 1)))
    return JSONResponse(call.body)
