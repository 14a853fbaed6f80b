"""HTTP through API Gateway -> FastAPI. Answers at once; everything slow goes through Kafka."""

import time
from typing import Any

from mangum import Mangum

from functions.api.app import build
from functions.api.edge import usable
from stoa.kernel import metrics

_serve = Mangum(build(), lifespan="off")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        answer = _serve(usable(event), context)
        _count(event, int(answer["statusCode"]))
        return answer
    finally:
        metrics.REQUEST_DURATION.add((time.monotonic() - begun) * 1000)
        metrics.flush()


def _count(event: dict[str, Any], status: int) -> None:
    metrics.REQUESTS.add(status=f"{status // 100}xx")
    asked = event["requestContext"]["http"]
    if asked["method"] in {"POST", "PUT", "PATCH", "DELETE"} and asked["path"].startswith("/v1/") and status < 400:
        metrics.WRITES.add()
