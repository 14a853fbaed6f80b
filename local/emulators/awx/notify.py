"""Notification webhooks: unsigned, one attempt, never again; the emulator can double or lose them."""

import json
from collections.abc import Coroutine
from typing import Any

import httpx

from local.emulators.awx.answers import Json
from local.emulators.awx.awx import Awx
from local.emulators.awx.moments import offset_form
from local.emulators.awx.settings import VERSION

HOPS = 5
TIMES = {"normal": 1, "duplicate": 2, "lose": 0}


class Notifier:
    def __init__(self, awx: Awx) -> None:
        self.awx = awx
        self._client = httpx.AsyncClient(timeout=None)  # noqa: S113  # AWX waits for ever too

    async def close(self) -> None:
        await self._client.aclose()

    def about(self, job: Json, when: str) -> list[Coroutine[Any, Any, None]]:
        """The sendings that a change of state causes: `when` is started, success or error."""
        store = self.awx.store
        numbers = store.linked("job_templates", job["job_template"], f"notification_templates_{when}")
        templates = [template for number in numbers if (template := store.get("notification_templates", number))]
        body = body_of(self.awx, job) if templates else {}
        return [self.send(one, body, job["id"]) for one in templates for _ in range(TIMES[self.awx.mode])]

    async def send(self, template: Json, body: Json, job_id: int | None = None) -> None:
        """One attempt; how it went is kept as a notification object."""
        sent = self.awx.add(
            "notifications",
            notification_template=template["id"],
            status="pending",
            error="",
            notifications_sent=0,
            notification_type="webhook",
            recipients=template["notification_configuration"].get("url", ""),
            subject=str(body.get("name", "")),
            body=body,
            job=job_id,
        )
        self.awx.store.commit()
        error = await self._attempt(template["notification_configuration"], body)
        said = {"status": "failed" if error else "successful", "error": error, "notifications_sent": int(not error)}
        self.awx.store.change("notifications", sent["id"], **said)
        self.awx.store.commit()

    async def _attempt(self, configuration: Json, body: Json) -> str:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"AWX {VERSION} (open)",
            **(configuration.get("headers") or {}),
        }
        user, password = configuration.get("username"), configuration.get("password")
        auth = httpx.BasicAuth(user, password or "") if user else None
        method, url = configuration.get("http_method", "POST"), configuration.get("url", "")
        try:
            for _ in range(HOPS):
                response = await self._client.request(
                    method, url, content=json.dumps(body), headers=headers, auth=auth, follow_redirects=False
                )
                if response.status_code not in (301, 307):
                    break
                url = response.headers.get("location", "")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"Error sending notification webhook: {error}"
        return f"Error sending notification webhook: {response.status_code}" if response.status_code >= 400 else ""


def body_of(awx: Awx, job: Json) -> Json:
    """The default body; `extra_vars` is a JSON string."""
    names = {}
    for name, table in (("inventory", "inventories"), ("project", "projects")):
        found = awx.store.get(table, job[name] or 0)
        names[name] = found["name"] if found else None
    return {
        "id": job["id"],
        "name": job["name"],
        "url": f"{awx.config.url}/#/jobs/playbook/{job['id']}",
        "created_by": awx.config.user,
        "started": offset_form(job["started"]),
        "finished": offset_form(job["finished"]),
        "status": job["status"],
        "traceback": job["result_traceback"],
        **names,
        "playbook": job["playbook"],
        "credential": None,
        "limit": job["limit"],
        "extra_vars": job["extra_vars"],
        "hosts": job.get("hosts", {}),
    }
