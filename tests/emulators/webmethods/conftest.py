"""A served emulator, a native service behind it that echoes, and the few calls that every story begins with."""

import base64
import contextlib
import copy
import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.emulators.webmethods.app import create_app
from local.emulators.webmethods.settings import Config
from tests.emulators.served import served

USER, PASSWORD = "ops", "not-a-default"
JSON = {"accept": "application/json"}
NUMBERS = itertools.count(1)


async def echo(request: Request) -> Response:
    if "status" in request.query_params:
        return Response(status_code=int(request.query_params["status"]), headers={"x-native": "yes"})
    body = (await request.body()).decode()
    facts = {"method": request.method, "path": request.scope["raw_path"].decode(), "query": request.url.query}
    return JSONResponse({**facts, "headers": dict(request.headers), "body": body, "port": request.url.port})


class Kit:
    """Talks to one emulator; names are fresh at each call."""

    def __init__(self, url: str, backend: str) -> None:
        self.url = url
        self.backend = backend
        self.admin = httpx.Client(base_url=f"{url}/rest/apigateway", auth=(USER, PASSWORD), headers=JSON, timeout=30)
        self.plain = httpx.Client(base_url=url, timeout=30)

    def name(self) -> str:
        return f"tenant-acme.api{next(NUMBERS):04}"

    def document(self, **change: Any) -> dict[str, Any]:
        ok = {"responses": {"200": {"description": "fine"}}}
        item = {"get": ok, "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}
        document = {
            "openapi": "3.0.3",
            "info": {"title": "orders", "version": "1.0.0"},
            "servers": [{"url": self.backend}],
            "paths": {"/orders": {"get": ok, "post": ok}, "/orders/{id}": item},
        }
        return copy.deepcopy({**document, **change})

    def send(self, document: Any, name: str | None = None, **fields: str) -> httpx.Response:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        form = {"apiName": name or self.name(), "apiVersion": "1.0.0", "type": "openapi", **fields}
        return self.admin.post("/apis", data=form, files={"file": ("openapi.json", data)})

    def put(self, api_id: str, document: Any, **fields: str) -> httpx.Response:
        files = {"file": ("openapi.json", json.dumps(document).encode())}
        return self.admin.put(f"/apis/{api_id}", data={"type": "openapi", **fields}, files=files)

    def api(self, document: Any = None, active: bool = False, name: str | None = None) -> dict[str, Any]:
        response = self.send(document or self.document(), name)
        assert response.status_code == 201, response.text
        record: dict[str, Any] = response.json()["apiResponse"]["api"]
        if active:
            assert self.admin.put(f"/apis/{record['id']}/activate").status_code == 200
        return record

    def record(self, api_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(f"/apis/{api_id}").json()["apiResponse"]["api"]
        return found

    def call(self, record: dict[str, Any], path: str = "/orders", method: str = "GET", **more: Any) -> httpx.Response:
        return self.plain.request(method, f"/gateway/{record['apiName']}/{record['apiVersion']}{path}", **more)

    def action(self, template: str, *parameters: dict[str, Any]) -> httpx.Response:
        body = {"templateKey": template, "parameters": list(parameters), "names": []}
        return self.admin.post("/policyActions", json={"policyAction": body})

    def policy(self, record: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(f"/policies/{record['policies'][0]}").json()["policy"]
        return found

    def enforce(self, record: dict[str, Any], stage: str, template: str, *parameters: dict[str, Any]) -> str:
        """Adds an action to the policy of the API; gives its id."""
        action_id = self.action(template, *parameters).json()["policyAction"]["id"]
        policy = self.policy(record)
        entry = {"enforcementObjectId": action_id, "order": "0"}
        found = [one for one in policy["policyEnforcements"] if one["stageKey"] == stage]
        if found:
            found[0]["enforcements"].append(entry)
        else:
            policy["policyEnforcements"].append({"stageKey": stage, "enforcements": [entry]})
        assert self.admin.put(f"/policies/{policy['id']}", json={"policy": policy}).status_code == 200
        return str(action_id)

    def identify(self, record: dict[str, Any], kind: str = "apiKey") -> str:
        rule = [leaf("applicationLookup", "strict"), leaf("identificationType", kind)]
        group = {"templateKey": "IdentificationRule", "parameters": rule}
        return self.enforce(record, "IAM", "evaluatePolicy", leaf("logicalConnector", "OR"), group)

    def alias(self, kind: str, **fields: Any) -> dict[str, Any]:
        name = fields.pop("name", None) or self.name()
        response = self.admin.post("/alias", json={"name": name, "type": kind, **fields})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()["alias"]
        return made

    def route(self, record: dict[str, Any], text: str) -> None:
        """Sets the endpoint of the routing action of the API."""
        stages = self.policy(record)["policyEnforcements"]
        routing = next(stage for stage in stages if stage["stageKey"] == "routing")
        action_id = routing["enforcements"][0]["enforcementObjectId"]
        action = self.admin.get(f"/policyActions/{action_id}").json()["policyAction"]
        action["parameters"] = [leaf("endpointUri", text), leaf("method", "CUSTOM")]
        assert self.admin.put(f"/policyActions/{action_id}", json={"policyAction": action}).status_code == 200

    def application(self, *api_ids: str, **fields: Any) -> dict[str, Any]:
        made = self.admin.post("/applications", json={"name": self.name(), **fields})
        assert made.status_code == 201, made.text
        app_id = made.json()["id"]
        self.admin.put(f"/applications/{app_id}/apis", json={"apiIDs": list(api_ids)})
        return self.app(app_id)

    def app(self, app_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(f"/applications/{app_id}").json()["applications"][0]
        return found

    def key(self, app: dict[str, Any]) -> str:
        path = f"/applications/{app['id']}/accessTokens"
        assert self.admin.post(path, json={"type": "apiAccessKeyCredentials"}).status_code == 201
        return str(self.app(app["id"])["accessTokens"]["apiAccessKey_credentials"]["apiAccessKey"])

    def export(self, api_id: str) -> dict[str, bytes]:
        response = self.admin.get("/archive", params={"apis": api_id})
        assert response.status_code == 200
        archive = zipfile.ZipFile(io.BytesIO(response.content))
        return {name: archive.read(name) for name in archive.namelist()}

    def load(self, files: dict[str, bytes], overwrite: str = "", **query: str) -> httpx.Response:
        params = {"overwrite": overwrite, **query}
        headers = {"content-type": "application/zip"}
        return self.admin.post("/archive", params=params, content=zipped(files), headers=headers)

    @contextlib.contextmanager
    def variant(self, **values: Any) -> Iterator[None]:
        before = self.plain.get("/_emulator/variants").json()
        assert self.plain.put("/_emulator/variants", json=values).status_code == 200
        yield
        self.plain.put("/_emulator/variants", json={name: before[name] for name in values})

    @contextlib.contextmanager
    def timing(self, **values: int) -> Iterator[None]:
        assert self.plain.put("/_emulator/timing", json=values).status_code == 200
        yield
        self.plain.put("/_emulator/timing", json=dict.fromkeys(values, 0))


def leaf(key: str, *values: str) -> dict[str, Any]:
    return {"templateKey": key, "values": list(values)}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def backend() -> Iterator[str]:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
    with served(Starlette(routes=[Route("/{path:path}", echo, methods=methods)])) as url:
        yield url


@pytest.fixture(scope="session")
def kit(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with served(create_app(Config(tmp_path_factory.mktemp("gateway"), USER, PASSWORD))) as url:
        yield Kit(url, backend)


@pytest.fixture
def fresh(backend: str, tmp_path: Path) -> Iterator[Kit]:
    """A gateway of one's own, empty."""
    with served(create_app(Config(tmp_path / "state", USER, PASSWORD))) as url:
        yield Kit(url, backend)


@pytest.fixture(scope="session")
def encoded() -> Any:
    return lambda text: base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="session")
def parameter() -> Any:
    """`{templateKey, values}`; groups are written out."""
    return leaf
