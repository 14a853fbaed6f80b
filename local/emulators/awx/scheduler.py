"""The way of a job: pending, waiting, running, its end; who may start when, and what a dead emulator left behind."""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from local.emulators.awx.answers import Json
from local.emulators.awx.awx import Awx
from local.emulators.awx.moments import now, seconds_since
from local.emulators.awx.notify import Notifier
from local.emulators.awx.settings import NODE
from local.emulators.awx.workers import Workers

LOG = logging.getLogger(__name__)
REAPED = (
    "Task was marked as running at system start up. "
    "The system must have not shut down properly, so it has been marked as failed."
)
TIMED_OUT = "Job terminated due to timeout"
NEXT = """SELECT id, body FROM jobs WHERE json_extract(body, '$.status') = 'pending'
  AND (json_extract(body, '$.allow_simultaneous') OR json_extract(body, '$.job_template') NOT IN
    (SELECT value FROM json_each(?)))
  ORDER BY id LIMIT 1"""


@dataclass
class Active:
    """A job that holds a slot."""

    template: int
    canceled: asyncio.Event = field(default_factory=asyncio.Event)


class Scheduler:
    def __init__(self, awx: Awx, notifier: Notifier, workers: Workers) -> None:
        self.awx = awx
        self.notifier = notifier
        self.workers = workers
        self.active: dict[int, Active] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Reaps what was running, goes on with what was waiting, then with the rest."""
        for job in list(self.awx.store.where("jobs", status="running")):
            self._finish(job["id"], "error", job_explanation=REAPED, event_processing_finished=True)
        for job in list(self.awx.store.where("jobs", status="waiting")):
            self._take_slot(job)
        self.awx.store.commit()
        self._spawn(self._turns())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.workers.close()
        await self.notifier.close()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, job_id: int) -> None:
        """Stops a job that has not ended."""
        self.awx.store.change("jobs", job_id, canceled_on=now())
        active = self.active.get(job_id)
        if active is not None:
            active.canceled.set()
        else:
            self._finish(job_id, "canceled", event_processing_finished=True)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("task.died", exc_info=task.exception())

    async def _turns(self) -> None:
        while True:
            self._wake.clear()
            due_in = self._start_due()
            self.awx.store.commit()
            try:
                await asyncio.wait_for(self._wake.wait(), due_in)
            except TimeoutError:
                continue

    def _start_due(self) -> float | None:
        """Gives slots to jobs, the oldest first; answers in how many seconds the next one is due."""
        while len(self.active) < self.awx.config.slots:
            busy = json.dumps([one.template for one in self.active.values()])
            job = next(self.awx.store.select(NEXT, [busy]), None)
            if job is None:
                return None
            left = self.awx.timing.pending_s - seconds_since(job["created"])
            if left > 0:
                return left
            self.awx.store.change("jobs", job["id"], status="waiting", modified=now())
            self._take_slot(job)
        return None

    def _take_slot(self, job: Json) -> None:
        self.active[job["id"]] = Active(job["job_template"])
        self._spawn(self._walk(job["id"]))

    async def _walk(self, job_id: int) -> None:
        active = self.active[job_id]
        try:
            await self._from_waiting(job_id, active)
        finally:
            del self.active[job_id]
            self.awx.store.commit()
            self._wake.set()

    async def _from_waiting(self, job_id: int, active: Active) -> None:
        if await _pause(active, self.awx.timing.waiting_s):
            self._finish(job_id, "canceled", event_processing_finished=True)
            return
        job = self.awx.store.change("jobs", job_id, status="running", started=now(), execution_node=NODE)
        self.awx.store.commit()
        self._notify(job, "started")
        result = None
        if not await _pause(active, self.awx.timing.running_s):
            result = await self._work(job, active)
        if active.canceled.is_set():
            self._finish(job_id, "canceled", event_processing_finished=True)
            return
        await self._close(job_id, result or {})

    async def _work(self, job: Json, active: Active) -> Json | None:
        """The result of the run, or nothing when it was cancelled."""
        run = asyncio.ensure_future(self.workers.run(job["id"], self._request(job), lambda e: self._event(job, e)))
        stop = asyncio.ensure_future(active.canceled.wait())
        try:
            await asyncio.wait({run, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not run.done():
                await self.workers.stop(job["id"])
            return await run
        finally:
            stop.cancel()
            run.cancel()

    def _request(self, job: Json) -> Json:
        config = self.awx.config
        names = ("playbook", "skip_tags", "job_tags", "limit", "verbosity", "timeout")
        return {
            **{name: job[name] for name in names},
            "executor": config.executor,
            "project": str(config.playbooks.resolve()),
            "extra_vars": json.loads(job["extra_vars"]),
            "environment": {"JOB_ID": str(job["id"]), **config.credential},
        }

    def _event(self, job: Json, data: Json) -> None:
        about = data.get("event_data", {})
        kind = str(data["event"])
        self.awx.add(
            "job_events",
            job=job["id"],
            event=kind,
            counter=data["counter"],
            event_display=kind.replace("_", " ").title(),
            event_data={name: value for name, value in about.items() if name != "artifact_data"},
            event_level=_level(kind),
            failed=kind in ("runner_on_failed", "runner_on_unreachable"),
            changed=bool((about.get("res") or {}).get("changed")),
            uuid=data.get("uuid", ""),
            parent_uuid=data.get("parent_uuid", ""),
            host=None,
            host_name=about.get("host", ""),
            **{name: about.get(name, "") for name in ("playbook", "play", "task", "role")},
            stdout=data.get("stdout", ""),
            **{name: data.get(name, 0) for name in ("start_line", "end_line", "verbosity")},
        )
        self.awx.store.commit()

    async def _close(self, job_id: int, result: Json) -> None:
        hosts = result.get("hosts", {})
        explanation = TIMED_OUT if result.get("timeout") else ""
        counts = {name: sum(1 for one in hosts.values() if one.get(name)) for name in ("ok", "dark", "failures")}
        late: Json = {
            "artifacts": result.get("artifacts", {}),
            "hosts": hosts,
            "host_status_counts": {name: count for name, count in counts.items() if count},
            "event_processing_finished": True,
        }
        said = {"job_explanation": explanation, "result_traceback": result.get("traceback", "")}
        if self.awx.timing.events_s:
            self._finish(job_id, result.get("status", "error"), tell=False, **said)
            self.awx.store.commit()
            await asyncio.sleep(self.awx.timing.events_s)
            self._tell(self.awx.store.change("jobs", job_id, **late))
        else:
            self._finish(job_id, result.get("status", "error"), **said, **late)

    def _finish(self, job_id: int, status: str, tell: bool = True, **more: Any) -> None:
        job = self.awx.store.get("jobs", job_id) or {}
        at = now()
        elapsed = round(seconds_since(job["started"]), 3) if job["started"] else 0.0
        times = {"finished": at, "modified": at, "elapsed": elapsed}
        ended = self.awx.store.change("jobs", job_id, status=status, failed=status != "successful", **times, **more)
        template = self.awx.store.get("job_templates", ended["job_template"])
        if template is not None:
            last = {"status": status, "last_job_run": at, "last_job_failed": status != "successful"}
            self.awx.store.change("job_templates", template["id"], **last)
        if tell:
            self._tell(ended)

    def _tell(self, job: Json) -> None:
        self._notify(job, "success" if job["status"] == "successful" else "error")

    def _notify(self, job: Json, when: str) -> None:
        for work in self.notifier.about(job, when):
            self._spawn(work)


async def _pause(active: Active, seconds: float) -> bool:
    """Waits; true when the job was cancelled meanwhile."""
    if seconds:
        try:
            await asyncio.wait_for(active.canceled.wait(), seconds)
        except TimeoutError:
            return False
    return active.canceled.is_set()


def _level(kind: str) -> int:
    if kind.startswith("runner_"):
        return 3
    return {"playbook_on_start": 0, "playbook_on_stats": 1, "playbook_on_play_start": 1, "verbose": 0}.get(kind, 2)
