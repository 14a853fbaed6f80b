"""The direct executor leaves the gateway exactly as the playbooks do, whatever is asked for."""

import copy
import json
from typing import Any

OK = {"responses": {"200": {"description": "fine"}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1.0.0"},
    "servers": [{"url": "https://orders.example.com"}],
    "paths": {"/orders": {"get": OK}},
}
OTHER = {**copy.deepcopy(DOCUMENT), "paths": {"/orders": {"get": OK}, "/refunds": {"get": OK}}}


def left_behind(lab: Any, api: str) -> str:
    """Everything the gateway holds of an API; ids, times and the API's own name made equal."""
    admin, name = lab.admin, f"tenant-acme.{api}"
    found: dict[str, Any] = {"apis": [], "aliases": []}
    for entry in admin._call("GET", "/apis").get("apiResponse", []):
        if entry["api"]["apiName"].startswith(name):
            record = admin._call("GET", f"/apis/{entry['api']['id']}")["apiResponse"]["api"]
            policy = admin._call("GET", f"/policies/{record['policies'][0]}")["policy"]
            found["apis"].append([plain(record), plain(policy), actions(admin, policy)])
    found["aliases"] = [plain(a) for a in admin._call("GET", "/alias")["alias"] if a["name"].startswith(name)]
    return json.dumps(found, sort_keys=True).replace(api, "API").replace(api.replace("-", ""), "API")


def actions(admin: Any, policy: dict[str, Any]) -> list[Any]:
    ids = [e["enforcementObjectId"] for stage in policy["policyEnforcements"] for e in stage["enforcements"]]
    return sorted(
        (plain(admin._call("GET", f"/policyActions/{i}")["policyAction"]) for i in ids),
        key=lambda a: str(a["templateKey"]),
    )


DIFFERENT = {"id", "creationDate", "lastModified", "policies", "enforcementObjectId", "gatewayEndPoints", "versions",
             "prevVersion", "nextVersion", "gatewayEndPointList", "apiId", "owner"}  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in DIFFERENT}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_both_executors_leave_the_same_gateway(lab: Any) -> None:
    steps: list[dict[str, Any]] = [
        {"document": DOCUMENT, "generation": 1},
        {"document": OTHER, "generation": 2, "security": {"type": "none"}, "policies": {"logging": False}},
        {"document": OTHER, "generation": 3, "api_version": "2.0.0"},
        {"document": DOCUMENT, "generation": 2},
    ]
    for step in steps:
        played = lab.play(lab.deploy("same-played", **step))
        status, artifacts, _ = lab.direct(lab.deploy("same-direct", **step))
        assert (played.code == 0, played.result["outcome"]) == (
            status == "successful",
            artifacts["stoa_result"]["outcome"],
        )
        assert played.result["changed"] == artifacts["stoa_result"]["changed"]
        assert left_behind(lab, "same-played") == left_behind(lab, "same-direct")
    lab.play(lab.request("undeploy", "same-played", 9))
    lab.direct(lab.request("undeploy", "same-direct", 9))
    assert left_behind(lab, "same-played") == left_behind(lab, "same-direct")


def test_both_executors_refuse_with_the_same_code(lab: Any) -> None:
    for change in ({"openapi_sha256": "0" * 64}, {"api_versoin": "2"}):
        asked = {**lab.deploy("never", DOCUMENT), **change}
        status, artifacts, _ = lab.direct(asked)
        assert (status, artifacts["stoa_result"]["code"]) == ("failed", lab.play(asked).result["code"])


def test_a_request_for_another_playbook_is_refused_before_anything_is_touched(lab: Any) -> None:
    for name in ("wrong-played", "wrong-direct"):
        lab.direct(lab.deploy(name, DOCUMENT))
    before = {name: left_behind(lab, name) for name in ("wrong-played", "wrong-direct")}
    asked = lab.deploy("wrong-played", OTHER, 2), lab.request("undeploy", "wrong-played", 2)
    for wrong, playbook in zip(asked, ("undeploy-api.yaml", "deploy-api.yaml"), strict=True):
        run = lab.play({**asked[0], **wrong}, playbook=playbook)
        assert (run.code != 0, run.result["code"], run.result["changed"]) == (True, "ACTION_MISMATCH", [])
    wrong = lab.play(lab.deploy("wrong-played", OTHER, 2), playbook="sync-alias.yaml")
    assert (wrong.code != 0, wrong.result["code"]) == (True, "ACTION_MISMATCH")
    status, artifacts, _ = lab.direct(lab.request("undeploy", "wrong-direct", 2), "deploy-api.yaml")
    assert (status, artifacts["stoa_result"]["code"]) == ("failed", "ACTION_MISMATCH")
    assert {name: left_behind(lab, name) for name in before} == before
