"""Schemathesis drives every operation of the contract as each role and as nobody: what comes back is in the contract.

Half of the requests are about what is there, so that more than refusals answer.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.issuer import issuing
from stoa.deployments.model import Deployment
from stoa.tenancy.model import ROLES
from tests.functions.test_authorization import OWN, Desk

schemathesis.serializer.alias("application/zip", "application/octet-stream")
CONTRACT = json.loads((Path(__file__).resolve().parents[2] / "openapi/stoa.json").read_text())
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(CONTRACT).get_all_operations()]
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
NOBODY = "nobody"
# there is no search index in these tests, and no AWX
AWAY = {
    "/v1/audit",
    "/v1/traces/search",
    "/v1/deployments/{deployment_id}/cancel",
    "/v1/users/me/sessions",
    "/v1/users/me/sessions/{session}",
    "/v1/tenants/{tenant}/members/{sub}/sessions",
    "/v1/tenants/{tenant}/members/{sub}/sessions/{session}",
}


@pytest.fixture(scope="module")
def desk(start_api: Callable[..., Any]) -> Iterator[Desk]:
    with issuing() as issuer:
        yield Desk(start_api(STOA_OIDC_ISSUER_URL=issuer.url), issuer)


def known(made: Deployment) -> dict[str, str]:
    return {
        "tenant": OWN, "api": made.lane.api, "deployment_id": made.id, "trace_id": made.trace_id, "name": "team",
    }  # fmt: skip


def drive(desk: Desk, caller: str, examples: int) -> set[int]:
    """The statuses that were seen."""
    session, seen, bearer = requests.Session(), set(), f"Bearer {desk.tokens.get(caller, '')}"  # type: ignore[call-overload]
    there = known(desk.deployments[OWN])

    def ask(operation: Any) -> None:
        @settings(
            max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(), real=st.booleans())
        def one(case: Any, real: bool) -> None:
            if real:
                case.path_parameters = {**(case.path_parameters or {}), **_of(there, case.path_parameters)}
            case.headers["authorization"] = bearer if caller != NOBODY else ""
            answer = case.call(base_url=desk.api.url, session=session, timeout=10)
            seen.add(answer.status_code)
            assert answer.status_code < 500 or (answer.status_code == 503 and operation.path in AWAY), answer.text
            case.validate_response(answer, checks=CHECKS)

        one()

    for operation in OPERATIONS:
        ask(operation)
    session.close()
    return seen


def _of(there: dict[str, str], asked: Any) -> dict[str, str]:
    return {name: there[name] for name in asked or () if name in there}


@pytest.mark.parametrize("caller", [*ROLES, NOBODY])
def test_what_comes_back_is_in_the_contract(desk: Desk, caller: str) -> None:
    seen = drive(desk, caller, 3)
    # the health checks, what is asked for wrongly, and what is hidden or not permitted
    assert seen >= ({200, 401} if caller == NOBODY else {200, 422, 403 if caller != "cpi-admin" else 404})


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("caller", [*ROLES, NOBODY])
def test_what_comes_back_is_in_the_contract_however_often_it_is_asked(desk: Desk, caller: str) -> None:
    drive(desk, caller, 20)
