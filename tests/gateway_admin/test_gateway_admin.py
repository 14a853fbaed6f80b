"""The admin API of a gateway through its published form: each act, read back and written down."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stoa.adapters.webmethods import admin_contract
from stoa.gateway_admin.model import ACTS, COMPOSED, shown
from stoa.kernel.errors import NotFound, Refused
from tests.gateway_admin.exposed import DOCUMENT

SECRET = "s3cret-of-the-backend"
MEANS = {"readSubscriptions", "addScope", "replaceScope"}


def test_what_may_be_asked_is_exactly_what_the_gateway_publishes() -> None:
    assert set(admin_contract.operations()) == (set(ACTS) - set(COMPOSED)) | MEANS


def test_an_api_goes_through_its_life_and_each_step_is_written_down(desk: Any) -> None:
    asked, name = desk.asked(), desk.gateway.name()
    made = desk.flows.import_api(asked, name, "1.0.0", "openapi", DOCUMENT)
    assert made == {"id": made["id"], "name": name, "version": "1.0.0", "active": False}
    assert desk.flows.set_active(asked, made["id"], active=True)["active"] is True
    assert desk.flows.set_active(asked, made["id"], active=True)["active"] is True
    second = desk.flows.add_version(asked, made["id"], "2.0.0")
    application = desk.gateway.application()
    assert desk.flows.subscribe(asked, application, [made["id"]], replace=False) == {"apiIDs": [made["id"]]}
    both = desk.flows.subscribe(asked, application, [second["id"]], replace=False)
    assert both == {"apiIDs": [made["id"], second["id"]]}
    with pytest.raises(Refused, match="associated with applications") as refused:
        desk.flows.delete_api(asked, second["id"])
    assert (refused.value.code, refused.value.status) == ("GATEWAY_CONFLICT", 409)
    desk.flows.subscribe(asked, application, [made["id"]], replace=True)
    desk.flows.delete_api(asked, second["id"])
    with pytest.raises(NotFound):
        desk.flows.read(asked, "readApi", second["id"])

    said = desk.audit()
    assert [(one["action"], one["outcome"]) for one in said if one["action"] != "GATEWAY_CHANGE_ASKED"] == [
        ("GATEWAY_API_IMPORTED", "done"),
        ("GATEWAY_API_ACTIVATED", "done"),
        ("GATEWAY_API_ACTIVATED", "done"),
        ("GATEWAY_VERSION_ADDED", "done"),
        ("GATEWAY_SUBSCRIPTIONS_ADDED", "done"),
        ("GATEWAY_SUBSCRIPTIONS_ADDED", "done"),
        ("GATEWAY_API_DELETED", "refused"),
        ("GATEWAY_SUBSCRIPTIONS_REPLACED", "done"),
        ("GATEWAY_API_DELETED", "done"),
        ("GATEWAY_API_READ", "refused"),
    ]
    assert {(one["actor"], one["ip"], one["tenant"], one["trace_id"]) for one in said} == {
        ("sub-1", "192.0.2.1", "_platform", "trc-" + "1" * 32)
    }
    activated = next(one for one in said if one["action"] == "GATEWAY_API_ACTIVATED")
    assert (activated["before"]["active"], activated["after"]["active"]) == (False, True)
    assert activated["resource"] == f"gateway/dev/apis/{made['id']}/activate"


def test_a_change_is_written_down_before_the_gateway_is_asked(desk: Any, monkeypatch: Any) -> None:
    """The process may die with the gateway's answer in its hands."""
    api = desk.gateway.api()

    def dies(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("stoa.gateway_admin.flows._same", dies)
    with pytest.raises(SystemExit):
        desk.flows.set_active(desk.asked(), api["id"], active=True)
    (said,) = desk.audit()
    assert (said["action"], said["after"]) == ("GATEWAY_CHANGE_ASKED", {"action": "GATEWAY_API_ACTIVATED"})
    assert desk.gateway.admin.get(f"/apis/{api['id']}").json()["apiResponse"]["api"]["isActive"] is True


def alias(desk: Any, **change: Any) -> dict[str, Any]:
    password = base64.b64encode(SECRET.encode()).decode()
    credentials = {"userName": "shop", "password": password, "domain": ""}
    made = {"name": desk.gateway.name(), "type": "httpTransportSecurityAlias", "authType": "HTTP_BASIC"}
    return {**made, "authMode": "NEW", "httpAuthCredentials": credentials, **change}


def test_a_password_is_nowhere_but_on_the_gateway(desk: Any) -> None:
    sent, asked = alias(desk), desk.asked()
    made = desk.flows.put_alias(asked, sent)
    assert desk.flows.put_alias(asked, {**sent, "authMode": "NEW"}, made["id"])["id"] == made["id"]
    with pytest.raises(Refused, match="already exists") as refused:
        desk.flows.put_alias(asked, sent)
    with pytest.raises(Refused, match="base64"):
        desk.flows.put_alias(asked, alias(desk, httpAuthCredentials={"userName": "a", "password": "not base64!"}))
    answers = [made, desk.flows.read(asked, "readAlias", made["id"]), desk.flows.read(asked, "listAliases")]
    everything = json.dumps([*answers, desk.audit(), refused.value.problem()])
    assert sent["httpAuthCredentials"]["password"] not in everything
    assert SECRET not in everything
    assert made["httpAuthCredentials"]["password"] == "***"
    replaced = next(one for one in desk.audit() if one["action"] == "GATEWAY_ALIAS_REPLACED")
    assert replaced["after"] == {"name": sent["name"], "type": sent["type"], "changed": ["httpAuthCredentials"]}


def test_keys_of_applications_are_not_shown(desk: Any) -> None:
    application = desk.gateway.application()
    found = desk.flows.read(desk.asked(), "listApplications")["applications"]
    tokens = next(one for one in found if one["id"] == application)["accessTokens"]
    assert tokens["apiAccessKey_credentials"]["apiAccessKey"] == "***"
    said = {"clientSecret": "x", "a": [{"refreshToken": "x", "accessTokens": {"n": 1}}], "password": ""}
    assert shown(said) == {
        "clientSecret": "***",
        "a": [{"refreshToken": "***", "accessTokens": {"n": 1}}],
        "password": "",
    }


def test_an_api_is_made_to_ask_for_a_scope_once(desk: Any) -> None:
    api, asked = desk.gateway.api(), desk.asked()
    server = f"{admin_contract.NAME}.issuer"
    made = desk.flows.configure_oidc(asked, api["id"], server, "orders:read")
    before = desk.gateway.journal()
    assert desk.flows.configure_oidc(asked, api["id"], server, "orders:read") == made
    assert desk.gateway.journal() == before
    other = desk.flows.configure_oidc(asked, api["id"], server, "orders:write")
    assert (other["id"], other["requiredAuthScopes"][0]["scopeName"]) == (made["id"], "orders:write")
    with pytest.raises(Refused, match="authorization server alias does not exist") as refused:
        desk.flows.configure_oidc(asked, api["id"], "nobody", "orders:write")
    assert (refused.value.code, refused.value.status) == ("GATEWAY_REFUSED", 422)


def test_who_comes_second_reaches_the_state_as_well(desk: Any) -> None:
    """The gateway answers 500 for the state that is there already."""
    api = desk.gateway.api()
    with desk.gateway.timing(activation_ms=400), ThreadPoolExecutor(1) as pool:
        first = pool.submit(desk.gateway.admin.put, f"/apis/{api['id']}/activate")
        assert desk.flows.set_active(desk.asked(), api["id"], active=True)["active"] is True
        assert first.result().status_code == 200
    assert desk.audit()[-1]["before"]["active"] is False
