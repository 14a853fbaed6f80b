"""Alive: the process runs. Ready: it can accept a request, which takes the database and nothing else."""

from functions.api.inline import Router
from functions.api.problems import RESPONSES
from stoa.bootstrap import app
from stoa.kernel.errors import Transient

router = Router(prefix="/health", tags=["health"], responses={503: RESPONSES[503]})


@router.get("/live")
def live() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/ready")
def ready() -> dict[str, str]:
    """503 when PostgreSQL is away. Kafka may be away: what is accepted then waits in the outbox."""
    if not app().database.ready():
        raise Transient("database", "not ready")
    return {"status": "ready"}
