"""What only the emulator has: variants, timing, and the journal of admin writes."""

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import answer
from local.emulators.webmethods.gateway import Gateway, json_object


async def variants(gateway: Gateway, request: Request) -> Response:
    if request.method == "GET":
        return answer(vars(gateway.variants))
    try:
        return answer(gateway.change_variants(await json_object(request)))
    except ValueError as error:
        return answer({"error": str(error)}, 400)


async def timing(gateway: Gateway, request: Request) -> Response:
    if request.method == "GET":
        return answer(vars(gateway.timing))
    try:
        return answer(gateway.change_timing(await json_object(request)))
    except ValueError as error:
        return answer({"error": str(error)}, 400)


async def journal(gateway: Gateway, request: Request) -> Response:
    """`?after=<seq>&limit=<n>`: admin writes in the order in which they took effect."""
    query = request.query_params
    return answer(gateway.store.journal(int(query.get("after", 0)), int(query.get("limit", 1_000_000))))


ROUTES = [
    ("GET", "/_emulator/variants", variants),
    ("PUT", "/_emulator/variants", variants),
    ("GET", "/_emulator/timing", timing),
    ("PUT", "/_emulator/timing", timing),
    ("GET", "/_emulator/journal", journal),
]
