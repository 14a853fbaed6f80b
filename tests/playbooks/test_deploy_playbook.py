"""The real playbooks against the strict gateway: idempotent, without a lost call, honest about failures."""

import copy
import json
from typing import Any

import pytest

from local.caller import Caller

OK = {"responses": {"200": {"description": "fine"}}}
ITEM = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}], "get": OK}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1.0.0"},
    "servers": [{"url": "https://orders.example.com"}],
    "paths": {"/orders": {"get": OK}, "/orders/{id}": ITEM},
}


def with_path(path: str) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), "paths": {**DOCUMENT["paths"], path: {"get": OK}}}  # type: ignore[dict-item]


def test_a_new_api_serves_with_a_key_and_a_second_run_changes_nothing(lab: Any) -> None:
    asked = lab.deploy("orders", DOCUMENT)
    first = lab.play(asked)
    assert first.code == 0, first.output
    result = first.result
    assert (result["outcome"], result["verified"], result["active"]) == ("applied", True, True)
    assert result["changed"] == ["routing", "document", "policies", "activation"]
    key = lab.admin.subscribe("shop-orders", result["gateway_api_id"])
    assert lab.call("orders", "/orders/7", key=key).json()["path"] == "/orders/7"
    assert lab.call("orders", "/orders/7").status_code == 401

    again = lab.play(asked)
    assert (again.code, again.result["outcome"], again.result["changed"]) == (0, "unchanged", [])
    assert "changed=0" in again.output


def test_an_update_of_a_live_api_loses_no_call(lab: Any) -> None:
    made = lab.given(lab.deploy("live", DOCUMENT))
    key = lab.admin.subscribe("shop-live", made["gateway_api_id"])
    caller = Caller(f"{lab.gateway}/gateway/tenant-acme.live/1.0.0/orders", key, 100)
    caller.start()
    updated = lab.play(lab.deploy("live", with_path("/refunds"), 2))
    counts = caller.stop()
    assert updated.result["changed"] == ["document"], updated.output
    assert updated.result["gateway_api_id"] == made["gateway_api_id"]
    assert counts.calls > 50
    assert counts.failures == {}
    assert lab.call("live", "/refunds", key=key).status_code == 200


def test_a_new_version_keeps_the_subscriptions_and_the_old_version(lab: Any) -> None:
    made = lab.given(lab.deploy("versions", DOCUMENT))
    key = lab.admin.subscribe("shop-versions", made["gateway_api_id"])
    done = lab.play(lab.deploy("versions", with_path("/v2"), 2, api_version="2.0.0"))
    assert done.code == 0, done.output
    assert lab.call("versions", "/orders", "1.0.0", key).status_code == 200
    assert lab.call("versions", "/v2", "2.0.0", key).status_code == 200


def test_an_older_generation_is_refused_and_changes_nothing(lab: Any) -> None:
    lab.given(lab.deploy("older", DOCUMENT, 5))
    late = lab.play(lab.deploy("older", with_path("/late"), 4))
    assert (late.code, late.result["outcome"], late.result["code"]) == (0, "superseded", "OLDER_GENERATION")
    assert lab.call("older", "/late").status_code == 404


def test_check_mode_changes_nothing(lab: Any) -> None:
    run = lab.play(lab.deploy("checked", DOCUMENT, security={"type": "none"}), "--check")
    assert run.code == 0, run.output
    assert lab.admin.api("tenant-acme.checked") is None

    lab.given(lab.deploy("checked", DOCUMENT, security={"type": "none"}))
    before = lab.admin.api("tenant-acme.checked")
    backend = {"url": f"{lab.backend}/moved", "connection_timeout_s": 5, "read_timeout_s": 10}
    for asked in (
        lab.deploy("checked", with_path("/later"), 2, security={"type": "api-key"}),
        lab.request("sync-alias", "checked", 2, backend=backend),
        lab.request("undeploy", "checked", 2),
    ):
        run = lab.play(asked, "--check")
        assert run.code == 0, run.output
    assert lab.admin.api("tenant-acme.checked") == before
    assert lab.call("checked", "/orders").json()["path"] == "/orders"
    assert lab.call("checked", "/later").status_code == 404
    # a claimed generation would refuse this one
    assert lab.given(lab.deploy("checked", DOCUMENT, security={"type": "none"}))["outcome"] == "unchanged"


def test_an_undeployed_api_is_gone_and_its_generation_stays(lab: Any) -> None:
    lab.given(lab.deploy("gone", DOCUMENT, 1))
    removed = lab.play(lab.request("undeploy", "gone", 2))
    assert (removed.code, removed.result["outcome"], removed.result["verified"]) == (0, "removed", True)
    assert lab.call("gone", "/orders").status_code == 404
    assert lab.play(lab.deploy("gone", DOCUMENT, 1)).result["outcome"] == "superseded"
    again = lab.play(lab.request("undeploy", "gone", 2))
    assert (again.code, "changed=0" in again.output) == (0, True)


def test_backend_credentials_reach_the_backend_and_nothing_else(lab: Any) -> None:
    secret = {"username_ref": "vault:secret/apim/orders#username", "password_ref": "vault:secret/apim/orders#password"}
    backend = {"url": lab.backend, "connection_timeout_s": 5, "read_timeout_s": 10}
    asked = lab.deploy("secrets", DOCUMENT, backend={**backend, "authentication": {"type": "basic", **secret}})
    run = lab.play(asked, "-vvv")
    assert run.code == 0, run.output
    assert "s3cret-value" not in run.output + json.dumps(asked)
    assert lab.play(asked).result["outcome"] == "unchanged"
    lab.artefacts.secret_version = 2
    assert lab.play(asked).result["changed"] == ["routing"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"openapi_sha256": "0" * 64}, "ARTEFACT_MISMATCH"),
        ({"openapi_url": "http://127.0.0.1:1/x"}, "CONTROL-PLANE_UNAVAILABLE"),
        ({"environment": "prod"}, "ENVIRONMENT_MISMATCH"),
        ({"api_versoin": "2"}, "EXTRA_VARS_INVALID"),
    ],
)
def test_a_run_that_cannot_work_fails_with_a_stable_code(lab: Any, change: dict[str, Any], code: str) -> None:
    run = lab.play({**lab.deploy("refused", DOCUMENT), **change})
    assert run.code != 0
    assert (run.result["outcome"], run.result["code"]) == ("refused", code)


def test_a_document_that_the_gateway_refuses_fails_with_its_words(lab: Any) -> None:
    closed = {"schemas": {"Order": {"type": "object", "additionalProperties": False}}}
    run = lab.play(lab.deploy("closed", {**DOCUMENT, "components": closed}))
    assert run.code != 0
    assert run.result["code"] == "GATEWAY_REFUSED"
    assert "Import or update the document: 400" in run.result["detail"]


def test_a_document_that_is_none_is_stopped_by_the_guard(lab: Any) -> None:
    run = lab.play(lab.deploy("broken", {**DOCUMENT, "paths": []}))
    assert (run.code != 0, run.result["outcome"]) == (True, "refused")
    assert lab.admin.api("tenant-acme.broken") is None


def test_an_openapi_31_document_is_converted_on_the_way(lab: Any) -> None:
    modern = {**copy.deepcopy(DOCUMENT), "openapi": "3.1.0", "webhooks": {}}
    run = lab.play(lab.deploy("modern", modern))
    assert (run.code, run.result["verified"]) == (0, True), run.output


def test_sync_alias_reroutes_a_live_api_at_once(lab: Any) -> None:
    lab.given(lab.deploy("moved", DOCUMENT, security={"type": "none"}))
    backend = {"url": f"{lab.backend}/moved", "connection_timeout_s": 5, "read_timeout_s": 10}
    run = lab.play(lab.request("sync-alias", "moved", 2, backend=backend))
    assert (run.code, run.result["changed"]) == (0, ["routing"]), run.output
    assert lab.call("moved", "/orders").json()["path"] == "/moved/orders"
