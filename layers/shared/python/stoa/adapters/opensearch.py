"""OpenSearch over its REST API: bulk, templates, the retention policy, search.

Source: docs.opensearch.org, 2.x and 3.x, in the words it uses. opensearch-py is not used: its imports cost a function
more than its work.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from stoa.adapters.retry_after import seconds
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret

BULK_BYTES = 5_000_000  # 5 to 15 MB are advised
BULK_TIMEOUT_S = 30.0
JSON = "application/json"
NDJSON = "application/x-ndjson"
RETRY_STATUS = frozenset({408, 425, 429})
WHY = 300


@dataclass(frozen=True)
class Item:
    """What became of one entry of a bulk request; `kind` and `reason` are the server's words for an error."""

    status: int
    kind: str = ""
    reason: str = ""


class OpenSearch:
    """A client for one cluster. Raises Transient when it is away, overloaded or refuses what is not the data's fault.

    Without a `user` nothing is sent that says who we are.
    """

    def __init__(self, url: str, user: str, password: Secret, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._password = password
        self._timeout_s = timeout_s
        self._session = requests.Session()

    def bulk(self, entries: Sequence[bytes]) -> list[Item]:
        """One Item per entry, in order. An entry is an action and its document, each with its line end.

        A request that is refused as a whole is sent in halves, down to the entry that is at fault.
        """
        return [item for part in _parts(entries) for item in self._bulk(part)]

    def _bulk(self, entries: Sequence[bytes]) -> list[Item]:
        answer = self._ask("POST", "/_bulk", b"".join(entries), kind=NDJSON, timeout_s=BULK_TIMEOUT_S)
        if answer.status_code not in (400, 413):
            return _items(_body(answer), len(entries))
        if len(entries) == 1:
            return [Item(answer.status_code, "refused", answer.text[:WHY])]
        middle = len(entries) // 2
        return [*self._bulk(entries[:middle]), *self._bulk(entries[middle:])]

    def template_versions(self, pattern: str) -> dict[str, int]:
        """The index templates whose name matches, with the version that whoever put them gave them."""
        answer = self._ask("GET", f"/_index_template/{pattern}")
        found = [] if answer.status_code == 404 else _body(answer)["index_templates"]
        return {entry["name"]: int(entry["index_template"].get("version") or 0) for entry in found}

    def put_component_template(self, name: str, template: Mapping[str, Any]) -> None:
        _body(self._ask("PUT", f"/_component_template/{name}", _json(template)))

    def put_index_template(self, name: str, template: Mapping[str, Any]) -> None:
        _body(self._ask("PUT", f"/_index_template/{name}", _json(template)))

    def put_mapping(self, indices: str, fields: Mapping[str, Any]) -> bool:
        """Adds fields to the indices that are there; False when one of them has such a field in another way."""
        path = f"/{indices}/_mapping?ignore_unavailable=true&allow_no_indices=true"
        answer = self._ask("PUT", path, _json({"properties": fields}))
        if answer.status_code == 400:
            return False
        _body(answer)
        return True

    def put_policy(self, name: str, policy: Mapping[str, Any]) -> bool:
        """Index State Management: False where there is none. One with the same description is left as it is."""
        path = f"/_plugins/_ism/policies/{name}"
        answer = self._ask("GET", path)
        if answer.status_code == 400:  # no handler found for uri
            return False
        if answer.status_code != 404:
            known = _body(answer)
            if known["policy"].get("description") == policy["description"]:
                return True
            path += f"?if_seq_no={known['_seq_no']}&if_primary_term={known['_primary_term']}"
        answer = self._ask("PUT", path, _json({"policy": policy}))
        if answer.status_code in (400, 404):
            return False
        _body(answer)
        return True

    def search(self, indices: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The hits; an index that is not there has none."""
        path = f"/{indices}/_search?ignore_unavailable=true&allow_no_indices=true"
        hits: list[dict[str, Any]] = _body(self._ask("POST", path, _json(body)))["hits"]["hits"]
        return hits

    def indices(self, pattern: str) -> list[str]:
        """The names of the indices that match, in order."""
        answer = self._ask("GET", f"/_cat/indices/{pattern}?format=json&h=index")
        return [] if answer.status_code == 404 else sorted(entry["index"] for entry in _body(answer))

    def delete_index(self, name: str) -> None:
        """One that is gone already is deleted."""
        answer = self._ask("DELETE", f"/{name}")
        if answer.status_code != 404:
            _body(answer)

    def _ask(
        self, method: str, path: str, data: bytes | None = None, *, kind: str = JSON, timeout_s: float | None = None
    ) -> requests.Response:
        headers = {"Content-Type": kind, "Accept": JSON, **self._who()}
        try:
            answer = self._session.request(
                method, self._url + path, data=data, headers=headers, timeout=timeout_s or self._timeout_s,
                allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            raise Transient("opensearch", type(error).__name__) from error
        status = answer.status_code
        if status in (401, 403):
            raise Transient("opensearch", f"{status}: who we are is not accepted, or may not do this", alarm=True)
        if status in RETRY_STATUS or status >= 500 or 300 <= status < 400:
            raise Transient(
                "opensearch", f"answered {status}", retry_after_s=seconds(status, answer.headers.get("Retry-After"))
            )
        return answer

    def _who(self) -> dict[str, str]:
        if not self._user:
            return {}
        pair = f"{self._user}:{self._password.reveal()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _parts(entries: Sequence[bytes]) -> list[list[bytes]]:
    """Requests of at most BULK_BYTES, unless one entry alone is larger."""
    parts: list[list[bytes]] = []
    size = 0
    for entry in entries:
        if not parts or size + len(entry) > BULK_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += len(entry)
    return parts


def _items(body: Mapping[str, Any], count: int) -> list[Item]:
    answers = [answer for entry in body["items"] for answer in entry.values()]
    if len(answers) != count:
        raise Transient("opensearch", f"answered {len(answers)} items to {count}", alarm=True)
    found = []
    for answer in answers:
        error = answer.get("error") or {}
        found.append(Item(int(answer["status"]), str(error.get("type", "")), str(error.get("reason", ""))[:WHY]))
    return found


def _body(answer: requests.Response) -> Any:
    """What it says no to here is never the data's fault, so that the records wait for a person."""
    if answer.status_code >= 400:
        raise Transient("opensearch", f"answered {answer.status_code}: {answer.text[:WHY]}", alarm=True)
    try:
        return answer.json()
    except requests.JSONDecodeError as error:
        raise Transient("opensearch", "answered with broken JSON") from error


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()
