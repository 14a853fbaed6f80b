"""The runtime: `/gateway/{apiName}/{apiVersion}/{resource}`, enforced and then proxied to the native service."""

import json
import time
from collections import defaultdict
from typing import Any
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from local.emulators.webmethods import dates
from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.backend import Backend, Headers, NotRouted, outbound
from local.emulators.webmethods.deployment import VARIABLE, Deployment, Throttle, deploy
from local.emulators.webmethods.identify import Given, NotIdentified, caller, wants_token
from local.emulators.webmethods.mocks import mocked_answer
from local.emulators.webmethods.model import is_absolute
from local.emulators.webmethods.store import Store
from local.emulators.webmethods.tokens import Tokens, has_scope

REASONS = {
    401: "Unauthorized application request",
    403: "Forbidden. Client address is not allowed",
    404: "API or resource not found",
    405: "Method not allowed",
    429: "Service invocation limit reached",
    503: "Service invocation limit reached",
}
NO_SCOPE = "Forbidden. The token does not have the scope that the API asks for"


class Refused(Exception):
    def __init__(self, status: int, reason: str | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason or REASONS[status]


class DataPlane:
    """`routes` are replaced one whole deployment at a time: a call in flight ends on the one it began with."""

    def __init__(self, store: Store, backend: Backend) -> None:
        self.store = store
        self.backend = backend
        self.tokens = Tokens(store, backend)
        self.routes: dict[str, dict[str, Deployment]] = {}
        self.served: dict[str, tuple[str, str]] = {}
        self.throttle_status = 503
        self.ready_at = 0.0
        self.windows: dict[tuple[str, str], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        for api in store.all("api"):
            if api["isActive"]:
                self.serve(api, rebind=False)

    def serve(self, api: Json, rebind: bool) -> None:
        """Routes calls to `api` as it is now; `rebind` looks up the ids of all aliases again."""
        kept = None if rebind else self.store.get("binding", api["id"])
        deployment = deploy(self.store, api, kept or {})
        if kept != deployment.bindings:
            self.store.put("binding", api["id"], deployment.bindings)
        self.stop(api["id"])
        self.routes.setdefault(deployment.name, {})[deployment.version] = deployment
        self.served[api["id"]] = (deployment.name, deployment.version)

    def stop(self, api_id: str) -> None:
        name, version = self.served.pop(api_id, ("", ""))
        versions = self.routes.get(name, {})
        versions.pop(version, None)
        if not versions:
            self.routes.pop(name, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        resource = ""
        name = ""
        try:
            deployment, resource = self._find(scope["raw_path"])
            name = deployment.name
            status, headers, body = await self._serve(deployment, resource, scope, receive)
        except (Refused, NotIdentified, NotRouted) as error:
            reason = getattr(error, "reason", None) or REASONS.get(error.status) or str(error)
            status, headers, body = exception(error.status, reason, name or "unknown", resource, scope)
        if scope["method"] != "HEAD" and status not in {204, 304}:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _find(self, raw_path: bytes) -> tuple[Deployment, str]:
        """The deployment and the resource, still encoded. Without a version the latest one is taken."""
        parts = raw_path.decode("latin-1").split("/", 4)[2:]
        versions = self.routes.get(unquote(parts[0])) if time.monotonic() >= self.ready_at else None
        if versions is None:
            raise Refused(404)
        version = unquote(parts[1]) if len(parts) > 1 else ""
        if version in versions:
            return versions[version], parts[2] if len(parts) > 2 else ""
        latest = max(versions.values(), key=lambda deployment: deployment.system_version)
        return latest, "/".join(parts[1:])

    async def _serve(
        self, deployment: Deployment, resource: str, scope: Scope, receive: Receive
    ) -> tuple[int, Headers, bytes]:
        template, path_known = deployment.tree.operation(scope["method"], resource)
        if template is None or not deployment.plain_http:
            raise Refused(405 if path_known and deployment.plain_http else 404)
        headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
        application = await self._caller(deployment, headers, scope)
        for throttle in deployment.throttles:
            self._count(throttle, application["id"] if application else "")
        body = await _whole(receive)
        if deployment.mocked:
            return mocked_answer(deployment.model, template, scope["method"])
        url, alias = self._target(deployment, resource)
        query = scope["query_string"].decode("latin-1")
        sent = outbound(scope["headers"], self._credentials(deployment))
        method = scope["method"] if deployment.method == "CUSTOM" else deployment.method
        return await self.backend.call(method, f"{url}?{query}" if query else url, sent, body, alias)

    async def _caller(self, deployment: Deployment, headers: dict[str, str], scope: Scope) -> Json | None:
        """The application that calls. Raises NotIdentified, or Refused 403 for a token without the scope."""
        by_token = wants_token(deployment)
        claims = await self.tokens.claims(headers) if by_token else None
        client = scope.get("client") or ("127.0.0.1", 0)
        application = caller(self.store, deployment, Given(headers, client[0], claims))
        if by_token and not has_scope(self.store, deployment.api_id, claims):
            raise Refused(403, NO_SCOPE)
        return application

    def _count(self, throttle: Throttle, consumer: str) -> None:
        if throttle.consumers and consumer not in throttle.consumers:
            return
        key = (throttle.action_id, consumer if throttle.consumers else "")
        began, calls = self.windows[key]
        if time.monotonic() - began >= throttle.window_s:
            began, calls = time.monotonic(), 0
        self.windows[key] = (began, calls + 1)
        if calls + 1 > throttle.calls:
            raise Refused(self.throttle_status)

    def _bound(self, deployment: Deployment, name: str) -> Json:
        alias = self.store.get("alias", deployment.bindings.get(name) or "")
        if alias is None:
            raise Refused(502, f"alias {name} is not available")
        return alias

    def _target(self, deployment: Deployment, resource: str) -> tuple[str, Json | None]:
        """The URL of the native service, and the endpoint alias if one is part of it."""
        url = deployment.endpoint
        used = None
        for name in VARIABLE.findall(url):
            if name == "sys:resource_path":
                text: Any = resource
            else:
                alias = self._bound(deployment, name)
                used = alias if alias["type"] == "endpoint" else used
                text = alias.get("endPointURI" if alias["type"] == "endpoint" else "value")
                text = text.rstrip("/") if isinstance(text, str) else ""
            url = url.replace(f"${{{name}}}", text)
        if not is_absolute(url):
            raise Refused(502, "native endpoint is not routable")
        return url, used

    def _credentials(self, deployment: Deployment) -> tuple[str, str] | None:
        if deployment.outbound is None:
            return None
        alias = self._bound(deployment, deployment.outbound)
        if str(alias.get("authMode", "NEW")).startswith("INCOMING"):
            return None
        secret = self.store.get("passman", alias["id"]) or {}
        return str(alias.get("httpAuthCredentials", {}).get("userName", "")), str(secret.get("password", ""))


async def _whole(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def exception(status: int, reason: str, name: str, resource: str, scope: Scope) -> tuple[int, Headers, bytes]:
    """The gateway's own error body; the blanks are as they are sent."""
    client = (scope.get("client") or ("127.0.0.1", 0))[0]
    moment = dates.now()
    text = (
        f"API Gateway encountered an error. Error Message:  {reason}. Request Details: Service - {name}, "
        f"Operation - /{resource}, Invocation Time:{moment:%H:%M:%S}, Date:{moment:%Y-%m-%d},  "
        f"Client IP - {client}, User - Default and Application:sys:defaultApplication"
    )
    return status, [(b"content-type", b"application/json")], json.dumps({"Exception": text}).encode()
