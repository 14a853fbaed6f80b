"""Stages and promotions: an archive sent to the admin REST of another gateway."""

from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json, answer, nothing, refuse
from local.emulators.webmethods.archive_export import archive_bytes
from local.emulators.webmethods.gateway import Gateway, json_object, new_id, note

KINDS = {"api": "api", "application": "application", "policy": "policy", "alias": "alias"}
OVERWRITTEN = "apis,policies,policyactions,applications"


def _found(gateway: Gateway, kind: str, object_id: str) -> Json:
    record = gateway.store.get(kind, object_id)
    if record is None:
        raise refuse(404, f" Unable to find the resource: {object_id}")
    return record


def _shown(stage: Json) -> Json:
    return {key: value for key, value in stage.items() if key != "password"}


async def create_stage(gateway: Gateway, request: Request) -> Response:
    body = await json_object(request)
    if not all(isinstance(body.get(key), str) and body[key] for key in ("name", "url", "username", "password")):
        raise refuse(400, " Mandatory field name, url, username or password is missing in the input request body")
    if any(stage["name"] == body["name"] for stage in gateway.store.all("stage")):
        raise refuse(400, f" Stage {body['name']} already exists")
    keys = ("name", "description", "url", "username", "password", "keystoreAlias", "keyAlias")
    stage = {"id": new_id(), **{key: body[key] for key in keys if key in body}}
    gateway.store.put("stage", stage["id"], stage)
    note(request, stage_id=stage["id"], name=stage["name"])
    return answer({"stage": _shown(stage)}, gateway.variants.created_status)


async def list_stages(gateway: Gateway, request: Request) -> Response:
    return answer({"stages": [_shown(stage) for stage in gateway.store.all("stage")]})


async def read_stage(gateway: Gateway, request: Request) -> Response:
    return answer({"stage": _shown(_found(gateway, "stage", request.path_params["id"]))})


async def delete_stage(gateway: Gateway, request: Request) -> Response:
    gateway.store.drop("stage", _found(gateway, "stage", request.path_params["id"])["id"])
    return nothing()


async def promote(gateway: Gateway, request: Request) -> Response:
    """Sends the assets to every stage; the answer is 200 and says for each stage what came of it."""
    body = await json_object(request)
    stages = [_found(gateway, "stage", str(stage_id)) for stage_id in body.get("destinationStages") or []]
    assets = body.get("promotedAssets")
    chosen = [
        (KINDS[kind], str(asset_id))
        for kind, ids in (assets.items() if isinstance(assets, dict) else [])
        if kind in KINDS
        for asset_id in ids
    ]
    if not stages or not chosen:
        raise refuse(400, " Mandatory field destinationStages or promotedAssets is missing in the input request body")
    archive = archive_bytes(gateway, chosen, applications=False)
    overwrite = OVERWRITTEN if request.query_params.get("overwrite") == "true" else ""
    overwrite += ",aliases" if request.query_params.get("overwriteAlias") == "true" else ""
    results = {stage["name"]: await _send(stage, archive, overwrite) for stage in stages}
    worked = all(result["status"] == "Success" for result in results.values())
    promotion: Json = {"id": new_id(), "name": body.get("name"), "description": body.get("description")}
    promotion |= {"promotedAssets": assets, "destinationStages": body["destinationStages"], "date": dates.text()}
    promotion |= {"status": "Success" if worked else "Failure", "promotionResults": results}
    gateway.store.put("promotion", promotion["id"], promotion)
    note(request, promotion_id=promotion["id"])
    return answer({"promotion": promotion})


async def _send(stage: Json, archive: bytes, overwrite: str) -> Json:
    url = f"{stage['url'].rstrip('/')}/rest/apigateway/archive"
    headers = {"accept": "application/json", "content-type": "application/zip"}
    try:
        async with httpx.AsyncClient(auth=(stage["username"], stage["password"]), timeout=60) as client:
            response = await client.post(url, params={"overwrite": overwrite}, content=archive, headers=headers)
            results: Any = response.json().get("ArchiveResult") if response.is_success else None
    except (httpx.HTTPError, ValueError):
        results = None
    if results is None:
        return {"status": "Failure", "ArchiveResult": []}
    good = all(item["status"] == "Success" for result in results for item in result.values())
    return {"status": "Success" if good else "Failure", "ArchiveResult": results}


async def list_promotions(gateway: Gateway, request: Request) -> Response:
    return answer({"promotions": gateway.store.all("promotion")})


async def roll_back(gateway: Gateway, request: Request) -> Response:
    """Only marks the promotion: what the stage had before is not kept."""
    promotion = _found(gateway, "promotion", request.path_params["id"])
    changed = gateway.store.put("promotion", promotion["id"], {**promotion, "status": "RolledBack"})
    return answer({"promotion": changed})
