"""The admin REST API under /rest/apigateway, in webMethods' words.

Live gateways and the vendor's description differ in status codes, so answers are judged by their body
and by reading back; both variants of each known contradiction are accepted.
"""

import re
from dataclasses import dataclass
from typing import Any

import requests

from stoa.adapters.webmethods.answers import PAGE, failures, said_in
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

Json = dict[str, Any]

OVERWRITE = "apis,policies,policyactions"
RETRY_STATUS = frozenset({408, 425, 429, 502, 503, 504})
UNKNOWN = frozenset({401, 404})


@dataclass(frozen=True)
class ApiSummary:
    """One version of an API as the gateway lists it."""

    id: str
    name: str
    version: str
    active: bool


class Gateway:
    """One gateway node. Raises Transient when it is away, Refused with its own text when it says no."""

    def __init__(self, url: str, user: str, password: Secret, *, timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # settings come from nowhere else, and reading .netrc costs more than the call
        self._session.auth = (user, password.reveal())
        self._session.headers["Accept"] = "application/json"
        self._timeout_s = timeout_s
        self._alias_ids: dict[str, str] = {}

    def versions(self, name: str) -> list[ApiSummary]:
        """Every version of the API with exactly this name, the oldest first."""
        body = {
            "types": ["api"],
            "condition": "and",
            "scope": [{"attributeName": "apiName", "keyword": re.escape(name)}],
            "responseFields": ["id", "apiName", "apiVersion", "isActive", "systemVersion"],
            "from": 0,
            "size": -1,
        }
        answer = self._json("POST", "/search", json=body)
        found = [api for key, apis in answer.items() if key.lower() == "api" for api in apis]
        mine = sorted((a for a in found if a["apiName"] == name), key=lambda a: int(a.get("systemVersion") or 1))
        return [ApiSummary(a["id"], a["apiName"], a["apiVersion"], _true(a.get("isActive"))) for a in mine]

    def api(self, api_id: str) -> Json:
        """The full record with `apiDefinition`."""
        record: Json = self._json("GET", f"/apis/{api_id}")["apiResponse"]["api"]
        return record

    def document(self, api_id: str) -> Json:
        """The OpenAPI document that the gateway has for the API."""
        return self._json("GET", f"/apis/{api_id}", params={"format": "openapi"})

    def import_api(self, name: str, version: str, kind: str, document: bytes) -> str:
        """Makes an inactive API from a document; returns its id."""
        form = {"apiName": name, "apiVersion": version, "type": kind}
        answer = self._json("POST", "/apis", data=form, files={"file": ("openapi.json", document, "application/json")})
        return str(answer["apiResponse"]["api"]["id"])

    def replace_document(self, api_id: str, name: str, version: str, kind: str, document: bytes) -> None:
        """Gives an inactive API another document; the gateway refuses it for an active one."""
        form = {"apiName": name, "apiVersion": version, "type": kind}
        files = {"file": ("openapi.json", document, "application/json")}
        self._json("PUT", f"/apis/{api_id}", data=form, files=files)

    def add_version(self, latest_id: str, version: str) -> str:
        """A new, inactive version that keeps the subscriptions; only from the latest one."""
        body = {"newApiVersion": version, "retainApplications": True}
        return str(self._json("POST", f"/apis/{latest_id}/versions", json=body)["apiResponse"]["api"]["id"])

    def set_active(self, api_id: str, *, active: bool) -> None:
        """Reaches the state; being there already is answered with 400 or 500 and is success."""
        try:
            self._json("PUT", f"/apis/{api_id}/{'activate' if active else 'deactivate'}")
        except Refused:
            if _true(self.api(api_id).get("isActive")) != active:
                raise

    def delete_api(self, api_id: str) -> None:
        """Deletes an inactive API with its subscriptions."""
        self._delete(f"/apis/{api_id}", params={"forceDelete": "true"})

    def policy(self, policy_id: str) -> Json:
        record: Json = self._json("GET", f"/policies/{policy_id}")["policy"]
        return record

    def put_policy(self, policy: Json) -> None:
        """Replaces the policy: stages that are left out are gone."""
        self._json("PUT", f"/policies/{policy['id']}", json={"policy": policy})

    def policy_action(self, action_id: str) -> Json:
        record: Json = self._json("GET", f"/policyActions/{action_id}")["policyAction"]
        return record

    def add_policy_action(self, action: Json) -> str:
        return str(self._json("POST", "/policyActions", json={"policyAction": action})["policyAction"]["id"])

    def put_policy_action(self, action: Json) -> None:
        # a bare body is answered with 200 and stored nowhere
        self._json("PUT", f"/policyActions/{action['id']}", json={"policyAction": action})

    def delete_policy_action(self, action_id: str) -> None:
        self._delete(f"/policyActions/{action_id}")

    def alias(self, name: str) -> Json | None:
        """The alias of that name, or None. It is searched once, and then read by its id: a search may be behind."""
        alias_id = self._alias_ids.get(name) or self._searched_alias(name)
        if alias_id is None:
            return None
        try:
            body = self._json("GET", f"/alias/{alias_id}")
        except Refused as error:
            if error.status != 404:
                raise
            self._alias_ids.pop(name, None)
            return None
        self._alias_ids[name] = alias_id
        return dict(body.get("alias", body))  # wrapped or bare, see reference/webmethods.md

    def add_alias(self, alias: Json) -> None:
        """Makes it, or changes the one that the search did not show yet."""
        try:
            body = self._json("POST", "/alias", json=alias)
        except Refused:
            known = [one for one in self._json("GET", "/alias")["alias"] if one["name"] == alias["name"]]
            if not known:
                raise
            self.put_alias({**known[0], **alias})
            return
        made = body.get("alias", body)
        self._alias_ids[made["name"]] = made["id"]

    def put_alias(self, alias: Json) -> None:
        """Changes the value in place; an alias that is deleted and made anew breaks what is bound to it."""
        self._json("PUT", f"/alias/{alias['id']}", json=alias)

    def delete_alias(self, alias_id: str) -> None:
        self._delete(f"/alias/{alias_id}")
        self._alias_ids = {name: known for name, known in self._alias_ids.items() if known != alias_id}

    def _searched_alias(self, name: str) -> str | None:
        body = {
            "types": ["alias"],
            "condition": "and",
            "scope": [{"attributeName": "name", "keyword": re.escape(name)}],
            "responseFields": ["id", "name"],
            "from": 0,
            "size": -1,
        }
        answer = self._json("POST", "/search", json=body)
        found = [alias for key, aliases in answer.items() if key.lower() == "alias" for alias in aliases]
        return next((str(alias["id"]) for alias in found if alias["name"] == name), None)

    def application(self, name: str) -> Json | None:
        """The application of that name, its keys among the rest."""
        found = self._json("GET", "/applications")["applications"]
        return next((dict(one) for one in found if one["name"] == name), None)

    def put_application(self, application: Json) -> str:
        """Makes it, or replaces the one that has its id; subscriptions stay. Returns the id."""
        if "id" in application:
            return str(self._json("PUT", f"/applications/{application['id']}", json=application)["id"])
        return str(self._json("POST", "/applications", json=application)["id"])

    def subscriptions(self, application_id: str) -> list[str]:
        """Ids of the APIs that an application uses."""
        return list(self._json("GET", f"/applications/{application_id}/apis")["apiIDs"])

    def put_subscriptions(self, application_id: str, api_ids: list[str]) -> None:
        self._json("PUT", f"/applications/{application_id}/apis", json={"apiIDs": api_ids})

    def scope(self, name: str) -> Json | None:
        """The mapping of that name: which scope of a token some APIs ask for."""
        return next((dict(one) for one in self._json("GET", "/scopes")["scopes"] if one["scopeName"] == name), None)

    def put_scope(self, scope: Json) -> None:
        """Makes the mapping, or replaces the one that has its id."""
        if "id" in scope:
            self._json("PUT", f"/scopes/{scope['id']}", json=scope)
        else:
            self._json("POST", "/scopes", json=scope)

    def export_archive(self, api_id: str) -> bytes:
        return self._call("GET", "/archive", params={"apis": api_id}).content

    def import_archive(self, archive: bytes) -> None:
        """Overwrites what the archive holds. Raises Refused unless every item of the answer succeeded."""
        headers = {"Content-Type": "application/zip"}
        answer = self._json("POST", "/archive", params={"overwrite": OVERWRITE}, data=archive, headers=headers)
        items = [(kind, item) for entry in answer["ArchiveResult"] for kind, item in entry.items()]
        bad = [f"{kind} {i.get('name')}: {i.get('explanation')}" for kind, i in items if i.get("status") != "Success"]
        if bad or not items:
            raise Refused("ARCHIVE_REFUSED", f"the gateway did not import everything: {'; '.join(bad)}")

    def runtime_status(self, name: str, version: str, path: str) -> int:
        """What the data plane answers to a GET without a key."""
        try:
            return requests.get(f"{self.url}/gateway/{name}/{version}{path}", timeout=self._timeout_s).status_code
        except requests.RequestException as error:
            raise Transient("gateway", type(error).__name__) from error

    def _delete(self, path: str, **request: Any) -> None:
        """204 is the answer, or 200 with one result per object, an error among them."""
        answer = self._call("DELETE", path, **request)
        bad = failures(answer)
        if bad:
            raise Refused("GATEWAY_REFUSED", f"{answer.status_code}: {'; '.join(bad)}")

    def _json(self, method: str, path: str, **request: Any) -> Json:
        answer = self._call(method, path, **request)
        if "json" not in answer.headers.get("Content-Type", ""):
            raise Transient("gateway", f"answered {answer.status_code} with {PAGE}")
        body = answer.json()
        return body if isinstance(body, dict) else {"apiResponse": body}

    def _call(self, method: str, path: str, **request: Any) -> requests.Response:
        try:
            answer = self._session.request(
                method, f"{self.url}/rest/apigateway{path}", timeout=self._timeout_s, allow_redirects=False, **request
            )
        except requests.RequestException as error:
            raise Transient("gateway", type(error).__name__) from error
        if answer.status_code in RETRY_STATUS:
            raise Transient("gateway", f"answered {answer.status_code}")
        if answer.status_code >= 300:
            self._refuse(answer, path)
        return answer

    def _refuse(self, answer: requests.Response, path: str) -> None:
        said = said_in(answer)
        if answer.status_code >= 500 and said == PAGE:  # with a 500 of its own the gateway says why
            raise Transient("gateway", f"answered {answer.status_code} with {PAGE}")
        if answer.status_code in UNKNOWN and "Access Denied" not in said and "/apis/" in path:
            raise Refused("NOT_ON_GATEWAY", said, status=404)
        if answer.status_code in (401, 403):
            raise Transient("gateway", f"{answer.status_code}: the account is not accepted", alarm=True)
        raise Refused("GATEWAY_REFUSED", f"{answer.status_code}: {said}", status=answer.status_code)


def leaf(key: str, *values: str) -> Json:
    """One parameter of a policy action: values are always a list of strings."""
    return {"templateKey": key, "values": list(values)}


def group(key: str, *parameters: Json) -> Json:
    return {"templateKey": key, "parameters": list(parameters)}


def named(text: str) -> list[Json]:
    return [{"value": text, "locale": "English"}]


def _true(value: Any) -> bool:
    return value is True or value == "true"
