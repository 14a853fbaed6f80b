"""No route waits for a thread: each endpoint, and whatever is asked before it, runs where it is called. And each is
made when the first request comes that it may answer."""

import asyncio
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from functions.api import routes
from functions.api.app import ROUTES as ROUTES_BY_BEGINNING
from functions.api.app import bare, build, include
from functions.api.inline import inline

MODULES = [importlib.import_module(f"{routes.__name__}.{one.name}") for one in pkgutil.iter_modules(routes.__path__)]
ROUTES = [route for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)]


def called(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for one in dependant.dependencies:
        yield from called(one)


def waits(call: object) -> bool:
    return not inspect.iscoroutinefunction(call) and not inspect.iscoroutinefunction(type(call).__call__)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{','.join(route.methods)} {route.path}")
def test_a_route_hands_nothing_to_a_thread(route: APIRoute) -> None:
    assert [call for call in called(route.dependant) if waits(call)] == []


def test_what_all_routes_share_hands_nothing_to_a_thread() -> None:
    assert len(ROUTES) > 50
    assert [one.dependency for one in build().router.dependencies if waits(one.dependency)] == []


def test_an_inline_function_answers_raises_and_looks_as_it_did() -> None:
    def half(of: int) -> float:
        """Of a number."""
        return 1 / of

    made = inline(half)
    assert asyncio.run(made(of=2)) == 0.5
    with pytest.raises(ZeroDivisionError):
        asyncio.run(made(0))
    assert (inspect.signature(made), made.__doc__, made.__name__) == (inspect.signature(half), half.__doc__, "half")


def test_routes_are_made_when_their_path_is_asked_for_and_all_of_them_can_be() -> None:
    assert {module.__name__.rpartition(".")[2] for module in MODULES} == set(ROUTES_BY_BEGINNING)
    for module in MODULES:
        beginnings = ROUTES_BY_BEGINNING[module.__name__.rpartition(".")[2]]
        assert [route.path for route in module.router.routes if not route.path.startswith(beginnings)] == []


@pytest.mark.parametrize(
    ("paths", "included"),
    [
        (["/webhooks/gitlab", "/webhooks/gitlab"], {"webhooks"}),
        (["/", "/v1", "/v2/apis"], set()),
        (["/v1/traces/trc-1", "/v1/users/me/sessions"], {"trace_lists", "traces", "user_sessions"}),
    ],
)
def test_a_request_makes_no_other_routes(paths: list[str], included: set[str]) -> None:
    app = bare()
    for path in paths:
        include(app, path)
    assert app.state.included == included
    assert len(app.routes) == len(included)


@pytest.mark.parametrize(("kind", "made"), [("on-demand", set()), ("snap-start", set(ROUTES_BY_BEGINNING))])
def test_a_snapshot_has_all_routes_and_who_waits_for_a_start_waits_for_none(kind: str, made: set[str]) -> None:
    code = "from functions.api.handler import _serve; print(*_serve.app._app.state.included)"
    environment = {**os.environ, "AWS_LAMBDA_INITIALIZATION_TYPE": kind}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) == made
