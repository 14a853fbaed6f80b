"""The documents that playbooks import, by their hash; for AWX jobs only."""

from typing import Annotated

from fastapi import Depends, Path
from fastapi.responses import Response

from functions.api.inline import Router
from functions.api.problems import UNLIMITED
from functions.api.security import artefact_reader
from stoa.bootstrap import app

router = Router(prefix="/artefacts", tags=["artefacts"], responses=UNLIMITED, dependencies=[Depends(artefact_reader)])


@router.get("/{tenant}/{sha256}", response_class=Response)
def artefact(tenant: str, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
    """The exact bytes whose SHA-256 is in the path."""
    return Response(app().deployment_queries.artefact(tenant, sha256), media_type="application/json")
