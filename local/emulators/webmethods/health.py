"""Health of the gateway's parts; green says nothing about the APIs it serves."""

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import Json, answer
from local.emulators.webmethods.gateway import Gateway

ENGINE: Json = {
    "status": "green",
    "elasticsearch": {"cluster_name": "SAG_EventDataStore", "status": "yellow"},
    "is": {
        "status": "green",
        "response_time_ms": "12",
        "diskspace": {"status": "up"},
        "memory": {"status": "up", "freemem": "512000000"},
    },
    "cluster": {"status": "green"},
}
PARTS: dict[str, Json] = {
    "engine": ENGINE,
    "admin": {"status": "green", "ui": {"status": "green", "response_time_ms": "20"}},
    "externalServices": {"status": "green", "destinations": []},
}


async def probe(gateway: Gateway, request: Request) -> Response:
    return answer({"status": "green"})


async def part(gateway: Gateway, request: Request) -> Response:
    name = request.path_params["part"]
    if name == "all":
        return answer({"status": "green", **PARTS})
    return answer(PARTS[name]) if name in PARTS else answer({"errorDetails": f" Unknown part {name}"}, 404)
