"""A client of our own HTTP API, for the terminal: what is being deployed, and what became of a push."""

from typing import Any

import requests

from local.sign_in import Bearer


class ControlPlane:
    """Raises requests.RequestException when the API does not answer."""

    def __init__(self, url: str, who: Bearer) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.auth = who

    def deployments(self, **filters: str) -> list[dict[str, Any]]:
        """The newest page, newest first."""
        items: list[dict[str, Any]] = self._get("/v1/deployments", filters)["items"]
        return items

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        return self._get(f"/v1/deployments/{deployment_id}", {})

    def trace(self, trace_id: str) -> dict[str, Any]:
        return self._get(f"/v1/traces/{trace_id}", {})

    def pushes(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._get("/v1/pushes", {})["items"]
        return items

    def ready(self) -> bool:
        try:
            return self._session.get(f"{self._url}/health/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        answer = self._session.get(self._url + path, params=parameters, timeout=60)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body
