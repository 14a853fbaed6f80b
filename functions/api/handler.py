"""HTTP through API Gateway -> FastAPI. Answers at once; everything slow goes through Kafka."""

import asyncio
import time
from typing import Any

from mangum import Mangum

from functions.api.app import bare, build
from functions.api.edge import Edge, usable
from functions.api.inline import current_loop
from stoa.kernel import metrics
from stoa.kernel.settings import starts_on_demand

# a snapshot holds all routes; where somebody waits for the start, they are made as they are asked for
_serve = Mangum(Edge(bare() if starts_on_demand() else build()), lifespan="off")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    begun, status = time.monotonic(), 500
    try:
        asyncio.set_event_loop(current_loop())
        answer = _serve(usable(event), context)
        status = int(answer["statusCode"])
        return answer
    finally:
        _count(event, status, time.monotonic() - begun)
        metrics.flush()


def _count(event: dict[str, Any], status: int, took_s: float) -> None:
    answered = f"{status // 100}xx"
    metrics.REQUESTS.add(status=answered)
    metrics.REQUEST_DURATION.add(took_s * 1000, status=answered)
    method = str(event.get("requestContext", {}).get("http", {}).get("method"))
    if method not in {"GET", "HEAD", "OPTIONS"} and str(event.get("rawPath")).startswith("/v1/") and status < 400:
        metrics.WRITES.add()
