"""Archives: what they hold, how each asset is decided, and the update that loses no call."""

import copy
import io
import json
import threading
import zipfile
from typing import Any


def records(files: dict[str, bytes], folder: str) -> dict[str, Any]:
    return {name: json.loads(data) for name, data in files.items() if name.startswith(f"{folder}/")}


def changed(files: dict[str, bytes], **change: Any) -> dict[str, bytes]:
    """The archive with other values in its API record."""
    done = {name: json.dumps({**record, **change}).encode() for name, record in records(files, "API").items()}
    return {**files, **done}


def items(response: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for entry in response.json()["ArchiveResult"]:
        for kind, item in entry.items():
            found.setdefault(kind, []).append(item)
    return found


ALL = "apis,policies,policyactions"


def test_an_archive_holds_the_full_record_its_policies_the_manifest_and_a_report(kit: Any) -> None:
    record = kit.api(active=True)

    files = kit.export(record["id"])

    (api,) = records(files, "API").values()
    assert f"API/API.{record['id']}/API.{record['id']}.json" in files
    assert (api["id"], api["isActive"], api["policies"]) == (record["id"], True, record["policies"])
    assert api["apiDefinition"] == kit.record(record["id"])["apiDefinition"]
    assert len(records(files, "Policy")) == 1
    assert len(records(files, "PolicyAction")) == 2
    manifest = files["APIGatewayAssets.acdl"].decode()
    assert f'<asset type="API" id="{record["id"]}"' in manifest
    assert f'<dependsOn type="Policy" id="{record["policies"][0]}" />' in manifest
    assert json.loads(files["ExportReport.json"])["ExportReport"]


def test_an_archive_is_also_found_by_a_filter(kit: Any) -> None:
    record = kit.api()
    app = kit.application(record["id"])
    scope = [{"attributeName": "id", "keyword": record["id"]}]
    body = {"types": ["api"], "scope": scope, "includeOptions": {"includeApplications": True}}

    response = kit.admin.post("/archive", json=body, headers={"x-HTTP-Method-Override": "GET"})

    names = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    assert f"Application/Application.{app['id']}/Application.{app['id']}.json" in names


def test_an_unknown_api_or_nothing_cannot_be_exported(kit: Any) -> None:
    assert kit.admin.get("/archive", params={"apis": "nobody"}).status_code == 401
    assert kit.admin.get("/archive").status_code == 400


def test_ids_are_kept_on_a_fresh_gateway(kit: Any, fresh: Any) -> None:
    record = kit.api(active=True)

    response = fresh.load(kit.export(record["id"]))

    assert response.status_code == 201
    assert {item["status"] for found in items(response).values() for item in found} == {"Success"}
    assert fresh.record(record["id"])["isActive"] is True
    assert fresh.call(record).status_code == 200


def test_the_zip_may_come_in_either_multipart_field(kit: Any) -> None:
    files = {"zipFile": ("a.zip", b"no zip")}
    assert "not a valid archive" in kit.admin.post("/archive", files=files).json()["errorDetails"]
    with kit.variant(archive_field="file"):
        assert "no archive in the request" in kit.admin.post("/archive", files=files).json()["errorDetails"]


def test_without_overwrite_every_asset_that_exists_fails(kit: Any) -> None:
    found = items(kit.load(kit.export(kit.api()["id"])))

    assert {item["explanation"] for item in found["PolicyAction"]} == {"Asset already exists."}
    assert {item["status"] for item in found["API"]} == {"Failed"}


def test_overwriting_only_apis_cascades_to_a_failure(kit: Any) -> None:
    record = kit.api()

    found = items(kit.load(changed(kit.export(record["id"]), apiDescription="new"), "apis"))

    (api,) = found["API"]
    assert (api["status"], api["dependencyFailed"], api["overwritten"]) == ("Failed", True, False)
    assert kit.record(record["id"])["apiDescription"] == ""


def test_a_wrong_case_or_a_singular_overwrites_nothing_and_is_no_error(kit: Any) -> None:
    files = kit.export(kit.api()["id"])

    for words in ("APIs,Policies,PolicyActions", "api,policy,policyaction", "apis,policies,policyActions"):
        response = kit.load(files, words)
        assert (response.status_code, items(response)["API"][0]["status"]) == (201, "Failed")


def test_overwriting_keeps_id_state_and_subscriptions(kit: Any) -> None:
    record = kit.api(active=True)
    app = kit.application(record["id"])

    found = items(kit.load(changed(kit.export(record["id"]), apiDescription="new"), ALL))

    assert (found["API"][0]["status"], found["API"][0]["overwritten"]) == ("Success", True)
    after = kit.record(record["id"])
    assert (after["apiDescription"], after["isActive"]) == ("new", True)
    assert kit.app(app["id"])["consumingAPIs"] == [record["id"]]


def test_an_inactive_archive_deactivates_its_target(kit: Any) -> None:
    record = kit.api(active=True)

    kit.load(changed(kit.export(record["id"]), isActive=False), ALL)

    assert kit.record(record["id"])["isActive"] is False
    assert kit.call(record).status_code == 404


def test_the_state_of_an_archive_can_be_left_out(kit: Any, fresh: Any) -> None:
    record = kit.api(active=True)

    fresh.load(kit.export(record["id"]), preserveAssetState="false")

    assert fresh.record(record["id"])["isActive"] is False


def test_a_document_that_is_not_the_internal_model_fails_its_item(kit: Any) -> None:
    scheme = {"k": {"type": "apiKey", "in": "header", "name": "x"}}
    document = kit.document(components={"securitySchemes": scheme})
    record = kit.api(document)

    (api,) = items(kit.load(changed(kit.export(record["id"]), apiDefinition=document), ALL))["API"]

    assert api["status"] == "Failed"
    assert "Enum" in api["explanation"]


def staged_update(kit: Any, record: Any, document: Any, import_ms: int = 0) -> Any:
    """The update without downtime: a second inactive import lends its definition to the archive of the live API."""
    staged = kit.api(document, name=f"{record['apiName']}.staged")
    lent = kit.record(staged["id"])
    change = {key: lent[key] for key in ("apiDefinition", "nativeEndpoint")}
    files = changed(kit.export(record["id"]), **change)
    with kit.timing(import_ms=import_ms):
        response = kit.load(files, ALL)
    kit.admin.delete(f"/apis/{staged['id']}")
    return response


def test_a_staged_update_loses_no_call_and_gives_the_new_document(kit: Any) -> None:
    record = kit.api(active=True)
    kit.identify(record)
    app = kit.application(record["id"])
    headers = {"x-Gateway-APIKey": kit.key(app)}
    new = kit.document()
    new["paths"]["/lines"] = copy.deepcopy(new["paths"]["/orders"])
    seen: list[int] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            seen.append(kit.call(record, headers=headers).status_code)

    thread = threading.Thread(target=call)
    thread.start()
    before = kit.call(record, "/lines", headers=headers).status_code
    staged_update(kit, record, new, import_ms=200)
    done.set()
    thread.join()

    assert (before, kit.call(record, "/lines", headers=headers).status_code) == (404, 200)
    assert len(seen) > 10
    assert set(seen) == {200}
    assert kit.admin.get(f"/apis/{record['id']}", params={"format": "openapi"}).json() == new
    assert kit.record(record["id"])["isActive"] is True
    assert kit.app(app["id"])["consumingAPIs"] == [record["id"]]


def test_another_api_of_the_same_name_fails(kit: Any) -> None:
    record = kit.api()
    files = kit.export(record["id"])
    kit.admin.delete(f"/apis/{record['id']}")
    kit.api(name=record["apiName"])

    (api,) = items(kit.load(files, ALL))["API"]

    assert api["explanation"] == f"API with apiName {record['apiName']} already exists"


def test_an_archive_from_a_higher_fix_level_or_without_manifest_is_refused(kit: Any) -> None:
    files = kit.export(kit.api()["id"])
    newer = files["APIGatewayAssets.acdl"].replace(b'fixLevel="10.15.0"', b'fixLevel="11.1.0"')
    without = {name: data for name, data in files.items() if name != "APIGatewayAssets.acdl"}

    assert kit.load({**files, "APIGatewayAssets.acdl": newer}, ALL).status_code == 400
    assert kit.load(without, ALL).status_code == 400
    kept = {name: data for name, data in files.items() if name != "ExportReport.json"}
    assert kit.load(kept, ALL).status_code == 201


def test_scope_mappings_do_not_travel(kit: Any, fresh: Any) -> None:
    record = kit.api()
    kit.admin.post("/scopes", json={"scopeName": kit.name(), "apiScopes": [record["id"]], "audience": ""})

    fresh.load(kit.export(record["id"]))

    assert fresh.admin.get("/scopes").json() == {"scopes": []}
