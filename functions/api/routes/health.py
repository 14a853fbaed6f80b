"""Alive: the process runs. Ready: it can accept a request, which takes the database and nothing else."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from stoa.bootstrap import app

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
def live() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/ready")
def ready() -> JSONResponse:
    """503 when PostgreSQL is away. Kafka may be away: what is accepted then waits in the outbox."""
    well = app().database.ready()
    return JSONResponse({"status": "ready" if well else "not ready"}, status_code=200 if well else 503)
