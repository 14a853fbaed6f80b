"""Every operation of the contract as each role, as nobody and as the machines: what comes back is in the contract.

First a request to each that is accepted from whoever may, then Schemathesis: half of its requests are about what is
there, so that more than refusals answer.
"""

import json
import re
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

from functions.api.security import Permitted
from stoa.tenancy.model import MATRIX, ROLES
from tests.emulators.keycloak import kit
from tests.functions.contract_seeds import Ask, Seeds, accepted, ignored
from tests.functions.test_authorization import PROXY, routes
from tests.functions.test_tenants import SECRET
from tests.gateway_admin.exposed import exposed
from tests.search.server import search_server

schemathesis.serializer.alias("application/zip", "application/octet-stream")
CONTRACT = json.loads((Path(__file__).resolve().parents[2] / "openapi/stoa.json").read_text())
FOUND: Any = schemathesis.openapi.from_dict(CONTRACT).get_all_operations()
OPERATIONS = {found.ok().label: found.ok() for found in FOUND}
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
NOBODY, MACHINE = "nobody", "machine"
CALLERS = [*ROLES, NOBODY, MACHINE]
PERMITTED: dict[str, Permitted | None] = {f"{method} {path}": found for method, path, found in routes()}
# what a machine shows; each route asks for its own
SECRETS = {
    "Authorization": "Bearer artefact-token",
    "X-Gitlab-Token": "hook-secret",
    "X-Stoa-Token": "awx-secret",
}


@pytest.fixture(scope="module")
def seeds(start_api: Callable[..., Any], keycloak: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeds]:
    folder = tmp_path_factory.mktemp("contract")
    known = kit.Issuer(keycloak, kit.environment(keycloak, "http://127.0.0.1:9"))
    with exposed(folder / "gateway") as gateway, search_server(folder / "opensearch.log") as index:
        api = start_api(
            STOA_OIDC_ISSUER_URL=gateway.issuer.url,
            STOA_GATEWAY_DEV_URL=gateway.url,
            STOA_KEYCLOAK_URL=known.url,
            STOA_KEYCLOAK_CLIENT_SECRET=SECRET,
            STOA_OPENSEARCH_URL=index.url,
        )
        yield Seeds(api, gateway, known)


def headers(seeds: Seeds, caller: str) -> dict[str, str]:
    if caller == MACHINE:
        return SECRETS
    return {"Authorization": f"Bearer {seeds.tokens[caller]}" if caller != NOBODY else ""}  # type: ignore[index]


def may(caller: str, label: str) -> bool:
    """By the table of roles; a service account by the scope of its token at the gateway."""
    permitted = PERMITTED[label]
    if permitted is None or caller not in ROLES:
        return permitted is None and caller == MACHINE
    if label.split(" ")[1].startswith(PROXY) and caller == "service":
        return True
    return MATRIX[permitted.permission].get(caller) in {"all", "tenant"} | permitted.also


def send(seeds: Seeds, label: str, ask: Ask, caller: str) -> requests.Response:
    data = ask.body if isinstance(ask.body, bytes) else None if ask.body is None else json.dumps(ask.body).encode()
    kind = {"Content-Type": "application/zip" if isinstance(ask.body, bytes) else "application/json"} if data else {}
    sent = {**kind, **headers(seeds, caller), **ask.headers}
    found: requests.Response = seeds.api.session.request(
        label.split(" ")[0], seeds.api.url + ask.path, data=data, headers=sent, timeout=20
    )
    return found


def case_of(operation: Any, url: str) -> Any:
    """What was asked, as Schemathesis would have asked it."""
    found = re.fullmatch(re.sub("{(.*?)}", r"(?P<\1>[^/]+)", operation.path), url.partition("?")[0])
    assert found is not None
    return operation.Case(path_parameters=found.groupdict())


@pytest.mark.parametrize("caller", [*ROLES, MACHINE])
def test_each_operation_is_accepted_from_whoever_may(seeds: Seeds, caller: str) -> None:
    """So that none is only ever refused; who may not is refused in test_authorization.py, and below."""
    asks, seen = accepted(seeds, caller), {}
    assert asks.keys() == OPERATIONS.keys() == PERMITTED.keys()
    for label in OPERATIONS:
        if may(caller, label):
            answer = send(seeds, label, asks[label](), caller)
            case_of(OPERATIONS[label], answer.request.path_url).validate_response(answer, checks=CHECKS)
            seen[label] = answer.status_code
    assert {label: status for label, status in seen.items() if status >= 300} == {}


def test_what_machines_tell_and_nobody_needs_is_in_the_contract_too(seeds: Seeds) -> None:
    for label, ask in ignored().items():
        answer = send(seeds, label, ask, MACHINE)
        case_of(OPERATIONS[label], answer.request.path_url).validate_response(answer, checks=CHECKS)
        assert (answer.status_code, answer.json()["status"]) == (200, "ignored")


def test_there_is_somebody_for_each_operation() -> None:
    assert [label for label in OPERATIONS if not any(may(caller, label) for caller in CALLERS)] == []


def drive(seeds: Seeds, operation: Any, examples: int, callers: Callable[[int], list[str]]) -> None:
    """Each example is made once, and sent by the callers of its number."""
    there, number = seeds.known, 0

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(), real=st.booleans())
    def one(case: Any, real: bool) -> None:
        nonlocal number
        if real:
            asked = case.path_parameters or {}
            case.path_parameters = {**asked, **{name: there[name] for name in asked if name in there}}
            if operation.path.startswith(PROXY):
                case.query = {**(case.query or {}), "environment": "dev"}
        for caller in callers(number):
            case.headers.pop("authorization", None)
            case.headers.update(headers(seeds, caller))
            answer = case.call(base_url=seeds.api.url, session=seeds.api.session, timeout=20)
            assert answer.status_code < 500, (caller, answer.text)
            assert answer.status_code != 401 or caller not in ROLES or PERMITTED[operation.label] is None, answer.text
            case.validate_response(answer, checks=CHECKS)
        number += 1

    one()


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_comes_back_is_in_the_contract(seeds: Seeds, label: str) -> None:
    """One request from everybody, and one more from each of two who may."""
    allowed = [caller for caller in CALLERS if may(caller, label)]
    turns = [CALLERS, allowed[:1], allowed[-1:]]
    drive(seeds, OPERATIONS[label], len(turns), lambda number: turns[number % len(turns)])


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_comes_back_is_in_the_contract_however_often_it_is_asked(seeds: Seeds, label: str) -> None:
    drive(seeds, OPERATIONS[label], 20, lambda _number: CALLERS)
