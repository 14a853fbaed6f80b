"""Which routes of the API take no token of the realm, by what they declare themselves (functions/api/security.py)."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from functions.api.app import build
from functions.api.security import Permitted


def without_token(app: FastAPI | None = None) -> tuple[tuple[str, str], ...]:
    """(method, path) of every route that declares no permission: health, and what machines call with secrets of their
    own. Everything else is asked for a token before it reaches us."""
    found = [
        (method, str(route.path))
        for route in iter_route_contexts((app or build()).routes)
        if not any(isinstance(call, Permitted) for call in _calls(route.dependant))
        for method in route.methods or ()
    ]
    return tuple(sorted(found))


def _calls(dependant: Dependant) -> Iterator[object]:
    for below in dependant.dependencies:
        yield below.call
        yield from _calls(below)
