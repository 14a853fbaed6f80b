"""AWX API v2: look up, launch, read back. Source: AWX 24.6.1 API, in the words it uses."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from stoa.adapters.credential import Credential, credential
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

FINAL = frozenset({"successful", "failed", "error", "canceled"})
CUT_SHORT = frozenset({"error", "canceled"})
LATE = timedelta(minutes=5)
PAGE = 200
RETRY_STATUS = frozenset({408, 409, 425, 429})


@dataclass(frozen=True)
class Job:
    """`status` is AWX's word; `settled` means that its results may be read."""

    id: int
    status: str
    settled: bool
    artifacts: dict[str, Any]
    explanation: str
    started: str | None
    finished: str | None

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def over(self, at: datetime) -> bool:
        """Final, and nothing more will come. The events of a job that AWX lost never add up, so a job that was
        reaped or canceled is not waited for, and any other one no longer than `LATE`."""
        if not self.final:
            return False
        late = self.finished is not None and at - datetime.fromisoformat(self.finished) > LATE
        return self.settled or late or self.status in CUT_SHORT


class Awx:
    """A client for one AWX. Raises Transient when AWX is away or misconfigured, Refused when it says no."""

    def __init__(
        self, url: str, token: Secret | Credential, *, organization: str = "STOA", timeout_s: float = 10.0
    ) -> None:
        self._url = url.rstrip("/")
        self._credential = credential(token)
        self._organization = organization
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # settings come from nowhere else, and reading .netrc costs more than the call
        self._templates: dict[str, int] = {}

    def find(self, skip_tags: str) -> list[Job]:
        """Jobs launched with exactly these skip tags and with our variables, the oldest first.

        The tags hold the deployment's id. A job without that id in its variables comes from a template that
        ignored them: it works on nothing of ours, whether it could be canceled or not.
        """
        body = self._call("GET", "/api/v2/jobs/", params={"skip_tags": skip_tags, "order_by": "id"})
        return [_job(entry) for entry in body["results"] if _has_our_variables(entry, skip_tags)]

    def learn(self, template: str) -> None:
        """Looks the template up, unless it is known, so that `launch` is one call."""
        try:
            self._template(template)
        except Refused as error:
            raise Refused("AWX_LAUNCH_REFUSED", error.detail) from error

    def launch(self, template: str, *, extra_vars: Mapping[str, Any], skip_tags: str) -> Job:
        """Starts a job. Raises Refused when AWX ignored a field, after trying to cancel what it started."""
        asked = {"extra_vars": dict(extra_vars), "skip_tags": skip_tags}
        try:
            body = self._launch(template, asked)
        except Refused as error:
            if error.status != 404:
                raise Refused("AWX_LAUNCH_REFUSED", error.detail) from error
            body = self._launch_again(template, asked)
        if body.get("ignored_fields"):
            with contextlib.suppress(Transient):  # the caller must not take this for a launch that may be found
                self.cancel(int(body["id"]))
            raise Refused("AWX_FIELDS_IGNORED", f"the template ignored: {', '.join(sorted(body['ignored_fields']))}")
        return _job(body)

    def _launch(self, template: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        number = self._template(template)
        try:
            return self._call("POST", f"/api/v2/job_templates/{number}/launch/", json=asked)
        except Refused:
            self._templates.pop(template, None)
            raise

    def _launch_again(self, template: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """After a 404: somebody deleted the template that we knew and made it anew under another number."""
        try:
            return self._launch(template, asked)
        except Refused as error:
            raise Refused("AWX_LAUNCH_REFUSED", error.detail) from error

    def jobs(self, ids: Sequence[int]) -> list[Job]:
        """The jobs among `ids` that AWX still has."""
        found = []
        for start in range(0, len(ids), PAGE):
            wanted = ",".join(str(i) for i in ids[start : start + PAGE])
            body = self._call("GET", "/api/v2/jobs/", params={"id__in": wanted, "page_size": str(PAGE)})
            found += [_job(entry) for entry in body["results"]]
        return found

    def job(self, job_id: int) -> Job:
        return _job(self._call("GET", f"/api/v2/jobs/{job_id}/"))

    def cancel(self, job_id: int) -> None:
        """Asks AWX to stop a job; one that has ended stays as it is."""
        try:
            self._call("POST", f"/api/v2/jobs/{job_id}/cancel/")
        except Refused as error:
            if error.status != 405:
                raise

    def _template(self, name: str) -> int:
        if name not in self._templates:
            params = {"name": name, "organization__name": self._organization}
            found = self._call("GET", "/api/v2/job_templates/", params=params)["results"]
            if not found:
                raise Transient("awx", f"there is no job template {name}", alarm=True, sent=False)
            prompts = self._call("GET", f"/api/v2/job_templates/{found[0]['id']}/launch/")
            if not (prompts.get("ask_variables_on_launch") and prompts.get("ask_skip_tags_on_launch")):
                detail = f"template {name} does not prompt for variables and skip tags"
                raise Transient("awx", detail, alarm=True, sent=False)
            self._templates[name] = int(found[0]["id"])
        return self._templates[name]

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """A token that is refused is read anew, and the call made once more: AWX did nothing for the first."""
        token = self._credential.value()
        answer = self._send(method, path, token, request)
        if answer.status_code == 401 and (newer := self._credential.after(token)):
            answer = self._send(method, path, newer, request)
        return _body(answer)

    def _send(self, method: str, path: str, token: Secret, request: Mapping[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
        try:
            return self._session.request(
                method, self._url + path, headers=headers, timeout=self._timeout_s, allow_redirects=False, **request
            )
        except requests.ConnectTimeout as error:
            raise Transient("awx", "no connection in time", sent=False) from error
        except requests.ConnectionError as error:
            raise Transient("awx", "the connection failed", sent=not _never_connected(error)) from error
        except requests.RequestException as error:
            raise Transient("awx", type(error).__name__) from error


def _never_connected(error: requests.ConnectionError) -> bool:
    # urllib3 wraps a refused connection in MaxRetryError(reason=NewConnectionError)
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def _body(answer: requests.Response) -> dict[str, Any]:
    status = answer.status_code
    if status in (401, 403):
        raise Transient("awx", f"{status}: the token is not accepted", alarm=True)
    if status >= 500 or status in RETRY_STATUS or 300 <= status < 400:
        raise Transient("awx", f"answered {status}")
    if not answer.content:
        if status < 300:
            return {}
        raise Refused("AWX_REFUSED", f"answered {status}", status=status)
    if "json" not in answer.headers.get("Content-Type", ""):
        raise Transient("awx", f"answered {status} with {answer.headers.get('Content-Type')}")
    try:
        body = answer.json()
    except requests.JSONDecodeError as error:
        raise Transient("awx", "answered with broken JSON") from error
    if status >= 400:
        raise Refused("AWX_REFUSED", f"answered {status}: {json.dumps(body)[:500]}", status=status)
    return dict(body)


def _has_our_variables(body: Mapping[str, Any], skip_tags: str) -> bool:
    sent = body.get("extra_vars")
    with contextlib.suppress(ValueError):  # a template's own variables may be YAML: not ours then
        sent = json.loads(sent) if isinstance(sent, str) else sent
    deployment_id = sent.get("deployment_id") if isinstance(sent, Mapping) else None
    return bool(deployment_id) and str(deployment_id) in skip_tags


def _job(body: Mapping[str, Any]) -> Job:
    artifacts = body.get("artifacts")
    return Job(
        id=int(body["id"]),
        status=str(body["status"]),
        settled=bool(body.get("event_processing_finished", False)),
        artifacts=artifacts if isinstance(artifacts, dict) else {},
        explanation=str(body.get("job_explanation") or ""),
        started=body.get("started"),
        finished=body.get("finished"),
    )
