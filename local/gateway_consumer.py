"""A consumer's application and key on the gateway, made through its admin API (the portal comes later)."""

from typing import Any

import requests

TIMEOUT_S = 60


class Admin:
    """The gateway's administrator. Raises requests.HTTPError when the gateway refuses."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._base = f"{url}/rest/apigateway"
        self._session = requests.Session()
        self._session.auth = (user, password)
        self._session.headers["Accept"] = "application/json"

    def api(self, name: str) -> dict[str, Any] | None:
        """The newest API of that name, as the list shows it."""
        found = self._call("GET", "/apis")
        entries = found.get("apiResponse", []) if isinstance(found, dict) else []
        apis = [entry["api"] for entry in entries if entry.get("api", {}).get("apiName") == name]
        return apis[-1] if apis else None

    def subscribe(self, application: str, api_id: str) -> str:
        """Makes an application, associates the API with it and returns its key."""
        made = self._call("POST", "/applications", {"name": application, "description": "demo", "version": "1.0"})
        self._call("POST", f"/applications/{made['id']}/accessTokens", {"type": "apiAccessKeyCredentials"})
        self._call("PUT", f"/applications/{made['id']}/apis", {"apiIDs": [api_id]})
        read = self._call("GET", f"/applications/{made['id']}")["applications"][0]
        key: str = read["accessTokens"]["apiAccessKey_credentials"]["apiAccessKey"]
        return key

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._session.request(method, self._base + path, json=body, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json() if answer.content else {}
