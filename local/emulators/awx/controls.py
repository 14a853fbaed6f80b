"""What only the emulator has: timing, lost and doubled notifications, variants, and the list of launches."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.awx.answers import Json, Refusal, answer
from local.emulators.awx.awx import Awx, json_object


async def timing(awx: Awx, request: Request) -> Response:
    return await _control(request, asdict(awx.timing), awx.change_timing)


async def variants(awx: Awx, request: Request) -> Response:
    return await _control(request, asdict(awx.variants), awx.change_variants)


async def notifications(awx: Awx, request: Request) -> Response:
    return await _control(request, {"mode": awx.mode}, awx.change_mode)


async def _control(request: Request, current: Json, change: Callable[[Json], Json]) -> Response:
    if request.method == "GET":
        return answer(current)
    try:
        return answer(change(await json_object(request)))
    except ValueError as error:
        raise Refusal(400, {"error": str(error)}) from error


async def launches(awx: Awx, request: Request) -> Response:
    """All jobs in the order of their launch, and how many there are for each skip_tags."""
    jobs = [
        {
            "job": job["id"],
            "template": job["name"],
            "skip_tags": job["skip_tags"],
            "extra_vars": json.loads(job["extra_vars"]),
            "status": job["status"],
        }
        for job in awx.store.where("jobs")
    ]
    return answer({"launches": jobs, "by_skip_tags": Counter(job["skip_tags"] for job in jobs)})
