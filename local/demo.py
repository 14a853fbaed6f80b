"""`stoa demo`: the story of one API, watched from outside, with the figures of what was seen."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from rich.console import Console

from local.caller import Caller
from local.commands import GATEWAY_USER
from local.control_plane import ControlPlane
from local.gateway_consumer import Admin
from local.home import Home
from local.seed import Demo, seed
from local.stack import Options, Stack
from local.watch import seconds, sentence
from local.workspace import TENANT, api_folder, openapi_document

API_NAME = f"{TENANT}.orders"
CALLS_PER_S = 20.0
PATIENCE_S = 180.0
LOOK_EVERY_S = 0.02
LONGEST_RUN_S = 6.0
LONGEST_BESIDE_S = 2.0
BASE_PATHS = ("/orders", "/orders/{id}")


class NotSeen(Exception):
    """The demo waited for something that did not happen; the text says what."""


class Demonstration:
    """`run` answers whether every step was seen; the last line it prints is one JSON object."""

    def __init__(self, home: Home, options: Options, console: Console, pushes: int) -> None:
        self._console = console
        self._pushes = pushes
        self._stack = Stack(home, options, self._say)
        self._control_plane = ControlPlane(self._stack.url("api"), self._stack.admin)
        self._admin = Admin(self._stack.url("gateway"), GATEWAY_USER, home.secret("gateway_password"))
        self._session = requests.Session()
        self._begun = time.monotonic()
        self._steps: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}

    def run(self) -> bool:
        ok = False
        try:
            ok = self._went_well(self._tell_all)
        finally:  # Ctrl-C as well: the stack is stopped and the line printed
            told = self._went_well(self._timeline)
            ok = self._went_well(self._stack.stop) and told and ok
            print(json.dumps({"ok": ok, "steps": self._steps, "seconds": self._seconds}))  # noqa: T201  for a program
        return ok

    def _went_well(self, do: Callable[[], None]) -> bool:
        try:
            do()
        except Exception as error:  # noqa: BLE001  the shell: git, GitLab, Vault, a bug: each ends the demo alike
            said = f"stopped: {type(error).__name__}: {error}"
            self._console.print(said, style="red", highlight=False, markup=False, soft_wrap=True)
            return False
        return True

    def _tell_all(self) -> None:
        with self._step("start"):
            self._stack.start()
            demo = seed(self._stack)
        with self._step("push an OpenAPI 3.1 API") as seen:
            sent = self._push(demo, BASE_PATHS, "Add the orders API")
            self._until("the deployment to succeed", lambda: self._finished(sent, "succeeded"))
            api = self._admin.api(API_NAME)
            self._session.headers["x-Gateway-APIKey"] = key = self._admin.subscribe("demo", (api or {})["id"])
            self._until("the gateway to serve it", lambda: self._status("/orders") == 200)
            seen["calls_without_a_key"] = requests.get(self._url("/orders"), timeout=10).status_code
        caller = Caller(self._url("/orders"), key, CALLS_PER_S)
        caller.start()
        try:
            self._while_called(demo)
        finally:
            counts = caller.stop()
        with self._step("no call failed") as seen:
            seen |= {"calls": counts.calls, "failures": dict(counts.failures)}
            if counts.failures or not counts.calls:
                raise NotSeen(f"calls through the gateway failed: {dict(counts.failures)}")
        with self._step("remove the API"):
            demo.workspace.remove_api()
            sent = demo.workspace.push("Remove the orders API")
            self._until("the API to be gone", lambda: self._status("/orders") == 404)
            self._until("the removal to succeed", lambda: self._finished(sent, "succeeded"))
        with self._step("as fast as promised"):
            self._fast()

    def _while_called(self, demo: Demo) -> None:
        with self._step("push a new version") as seen:
            seen["seconds"] = round(self._update(demo, "/returns"), 3)
        with self._step(f"push {self._pushes} more, timed") as seen:
            seen |= self._timed(demo)
        with self._step("push a broken one") as seen:
            demo.workspace.write(f"{api_folder()}/openapi.yaml", "openapi: 3.1.0\ninfo: {title: Orders}\npaths: [\n")
            sent = demo.workspace.push("Break the orders API")
            self._until("the deployment to fail", lambda: self._finished(sent, "failed"))
            seen["error"] = sentence(self._deployment(sent)["error"])
            self._console.print(f"    {seen['error']}", highlight=False, markup=False, soft_wrap=True)
            if self._status(f"/warm-{self._pushes - 1}") != 200:
                raise NotSeen("the version before the broken one does not serve any more")

    def _timed(self, demo: Demo) -> dict[str, Any]:
        """From the start of `git push` to the first answer of a path that it added; the run alone beside it."""
        whole, runs = [], []
        for number in range(self._pushes):
            path = f"/warm-{number}"
            whole.append(self._update(demo, path))
            runs.append(self._run_seconds())
        without = [all_of_it - run for all_of_it, run in zip(whole, runs, strict=True)]
        figures = {
            "push_to_serving_p50": percentile(whole, 50),
            "push_to_serving_p95": percentile(whole, 95),
            "playbook_p50": percentile(runs, 50),
            "playbook_p95": percentile(runs, 95),
            "playbook_longest": percentile(runs, 100),
            "push_to_serving_minus_playbook_p95": percentile(without, 95),
        }
        self._seconds |= figures
        for name, value in figures.items():
            self._console.print(f"    {name.replace('_', ' ')}: {value:.2f} s", highlight=False, soft_wrap=True)
        return {"pushes": self._pushes}

    def _fast(self) -> None:
        """Last, so that on a slow machine everything else was seen. Raises NotSeen."""
        if self._seconds["push_to_serving_minus_playbook_p95"] >= LONGEST_BESIDE_S:
            raise NotSeen(f"push to serving took more than {LONGEST_BESIDE_S:.0f} s beyond the playbook's own time")
        if self._seconds["playbook_longest"] > LONGEST_RUN_S:
            raise NotSeen(f"a run of the playbook took more than {LONGEST_RUN_S:.0f} s")

    def _update(self, demo: Demo, path: str) -> float:
        begun = time.monotonic()
        sent = self._push(demo, (*BASE_PATHS, path), f"Add {path}")
        self._until(f"{path} to be served", lambda: self._status(path) == 200)
        served = time.monotonic() - begun
        self._until("the deployment to succeed", lambda: self._finished(sent, "succeeded"))
        return served

    def _push(self, demo: Demo, paths: tuple[str, ...], message: str) -> str:
        demo.workspace.write_api(self._stack.url("backend"), openapi_document(paths=paths))
        return demo.workspace.push(message)

    def _deployment(self, commit: str) -> dict[str, Any]:
        found = self._control_plane.deployments(tenant=TENANT)
        return next((one for one in found if one["commit"] == commit), {"state": "not there yet", "error": None})

    def _finished(self, commit: str, state: str) -> bool:
        found = self._deployment(commit)
        if found.get("finished_at") and found["state"] != state:
            said = sentence(found["error"]) if found["error"] else ""
            raise NotSeen(f"the deployment {found['state']} and should have {state}: {said}")
        return bool(found["state"] == state)

    def _run_seconds(self) -> float:
        """How long AWX ran the playbook of the newest deployment."""
        deployment = self._control_plane.deployments(tenant=TENANT)[0]
        token = self._stack.home.secret("awx_token")
        url = f"{self._stack.url('awx')}/api/v2/jobs/{deployment['awx_job_id']}/"
        job = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).json()
        return float(job["elapsed"])

    def _url(self, path: str) -> str:
        return f"{self._stack.url('gateway')}/gateway/{API_NAME}/1.0.0{path}"

    def _status(self, path: str) -> int:
        return self._session.get(self._url(path), timeout=10).status_code

    def _until(self, what: str, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not seen():
            if time.monotonic() > deadline:
                raise NotSeen(f"waited {PATIENCE_S:.0f} s for {what}")
            time.sleep(LOOK_EVERY_S)

    @contextmanager
    def _step(self, name: str) -> Iterator[dict[str, Any]]:
        self._console.print(f"{time.monotonic() - self._begun:6.1f} s  {name} ...", highlight=False, soft_wrap=True)
        begun = time.monotonic()
        seen: dict[str, Any] = {"step": name, "ok": False}
        self._steps.append(seen)
        yield seen
        seen["ok"] = True
        self._seconds[name] = round(time.monotonic() - begun, 2)

    def _say(self, what: str, begun: float) -> None:
        self._console.print(f"    {what} ({time.monotonic() - begun:.1f} s)", highlight=False, soft_wrap=True)

    def _timeline(self) -> None:
        """Every deployment as our own API tells it."""
        self._console.print("\n[bold]Timeline[/bold]")
        try:
            for one in reversed(self._control_plane.deployments()):
                line = _line(self._control_plane.deployment(one["id"]))
                self._console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
        except requests.RequestException as error:
            self._console.print(f"  the API does not answer: {type(error).__name__}")


def _line(read: dict[str, Any]) -> str:
    asked = read["requested_at"]
    took = [
        f"{step['name']} {seconds(step['started_at'], step['completed_at']):.2f} s"
        for step in read["steps"]
        if step["completed_at"]
    ]
    whole = seconds(asked, read["finished_at"] or asked)
    what = f"{read['action']} #{read['generation']} {read['state']} after {whole:.2f} s"
    return f"{asked[11:23]}  {what}: {', '.join(took)}"


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile, rounded to milliseconds."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)], 3)
