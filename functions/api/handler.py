"""HTTP through API Gateway -> FastAPI. Answers at once; everything slow goes through Kafka."""

from typing import Any

from mangum import Mangum

from functions.api.app import build
from functions.api.edge import usable

_serve = Mangum(build(), lifespan="off")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return _serve(usable(event), context)
