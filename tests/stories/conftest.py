"""The whole platform as `make up` starts it, and what a test needs to push, wait and look."""

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
import requests
from psycopg.rows import dict_row

from local.commands import GATEWAY_USER
from local.control_plane import ControlPlane
from local.gateway_consumer import Admin
from local.home import Home
from local.seed import seed
from local.stack import Options, Stack
from local.topics import records
from local.workspace import openapi_document

# without Ansible; two hours are half a minute
DIRECT = Options(
    executor="direct",
    around=False,
    slots=4,
    api_workers=2,
    time_scale=240.0,
    activation_ms=5,
    import_ms=5,
    environment={"STOA_AWX_TIMEOUT_S": "2", "STOA_LAUNCH_MAY_ARRIVE_S": "3"},
)
# with it, and a reconciler's minute is three seconds
PLAYED = Options(
    around=False,
    api_workers=2,
    time_scale=20,
    activation_ms=20,
    import_ms=20,
    environment={"STOA_LAUNCH_MAY_ARRIVE_S": "4"},
)
# of whoever waits: how long a machine may take that is busy with something else
PATIENCE_S = 180.0
FINAL = {"succeeded", "failed", "superseded", "cancelled"}


class Lab:
    """A running platform with its demo tenant."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        demo = seed(stack)
        self.project_id, self.workspace = demo.project_id, demo.workspace
        self.control_plane = ControlPlane(stack.url("api"), stack.admin)
        self.admin = Admin(stack.url("gateway"), GATEWAY_USER, stack.home.secret("gateway_password"))

    @property
    def admin_id(self) -> str:
        """The `sub` of who asks by hand."""
        return str(jwt.decode(self.stack.admin.token(), options={"verify_signature": False})["sub"])

    @cached_property
    def first(self) -> dict[str, Any]:
        """The deployment of the first push of the branch, whose `before` is zeros."""
        self.write("first")
        (one,) = self.done(self.workspace.push("Add the first API"))
        return one

    def write(self, api: str, *paths: str, **options: Any) -> None:
        document = openapi_document(paths=paths or ("/orders",))
        self.workspace.write_api(self.stack.url("backend"), document, api=api, **options)

    def deployments(self, commit: str) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT * FROM deployments WHERE commit_sha = %s ORDER BY api, environment, generation", commit
        )

    def push_row(self, commit: str) -> dict[str, Any]:
        """The push of a commit that was planned; another one says so, when GitLab's hook was slower than our look."""
        found = self.pushes_of(commit)
        return next((p for p in found if [said.get("code") for said in p["outcome"]] != ["ALREADY_COVERED"]), found[0])

    def pushes_of(self, commit: str) -> list[dict[str, Any]]:
        return [push for push in self.control_plane.pushes() if push["after_sha"] == commit]

    def is_planned(self, commit: str) -> bool:
        """One by one: a push that finds the next one behind it may cover both, and asks for less."""
        return any(push["state"] != "accepted" for push in self.pushes_of(commit))

    def done(self, commit: str) -> list[dict[str, Any]]:
        """The deployments of a commit when its push was processed and all of them are final."""

        def finished() -> bool:
            planned = {push["state"] != "accepted" for push in self.pushes_of(commit)}
            return planned == {True} and all(d["state"] in FINAL for d in self.deployments(commit))

        self.until(finished, f"the deployments of {commit[:8]} to end")
        return self.deployments(commit)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        deadline, pause_s = time.monotonic() + PATIENCE_S, 0.05
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"waited {PATIENCE_S:.0f} s for {what}; logs in {self.stack.home.logs}")
            time.sleep(pause_s)
            pause_s = min(1.3 * pause_s, 0.3)  # each look costs the processor that is waited for
        return value

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.stack.postgres.url, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.stack.postgres.url) as connection:
            connection.execute(statement, values)

    def key(self, api: str, tenant: str = "tenant-demo") -> str:
        found = self.admin.api(f"{tenant}.{api}")
        assert found is not None
        return self.admin.subscribe(f"app-{uuid.uuid4().hex[:8]}", found["id"])

    def call(self, api: str, path: str = "/orders", key: str = "", tenant: str = "tenant-demo") -> requests.Response:
        url = f"{self.stack.url('gateway')}/gateway/{tenant}.{api}/1.0.0{path}"
        return requests.get(url, headers={"x-Gateway-APIKey": key} if key else {}, timeout=60)

    def launches(self) -> list[dict[str, Any]]:
        """Every AWX job, in the order in which AWX took them."""
        answer = requests.get(f"{self.stack.url('awx')}/_emulator/launches", timeout=60).json()
        found: list[dict[str, Any]] = answer["launches"]
        return found

    def records(self, topic: str) -> list[Any]:
        return records(self.stack.kafka.bootstrap, topic)

    def results(self) -> list[dict[str, Any]]:
        """deploy-results, each event id once."""
        by_id = {dict(r.headers)["ce_id"]: json.loads(r.value) for r in self.records("deploy-results")}
        return list(by_id.values())

    def ends(self, deployments: Collection[str]) -> list[dict[str, Any]]:
        """The results of these deployments, as soon as each has one; the outbox may be a moment behind the row."""

        def told() -> list[dict[str, Any]]:
            found = [said for said in self.results() if said["deployment_id"] in deployments]
            return found if {said["deployment_id"] for said in found} == set(deployments) else []

        found: list[dict[str, Any]] = self.until(told, "the results")
        return found


class Labs:
    """At most one platform runs: whoever asks for the options of the one that does gets that one."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._lab: Lab | None = None

    def of(self, options: Options) -> Lab:
        if self._lab is None or self._lab.stack.options != options:
            self.stop()
            stack = Stack(Home(self._folder / f"home-{uuid.uuid4().hex[:8]}"), options, lambda _what, _begun: None)
            try:
                stack.start()
                self._lab = Lab(stack)
            except BaseException:
                stack.stop()
                raise
        return self._lab

    def stop(self) -> None:
        if self._lab is not None:
            self._lab.stack.stop()
            self._lab = None


@pytest.fixture(scope="package")
def labs(run_folder: Path) -> Iterator[Labs]:
    """A platform takes half a minute of both cores to start, so that the stories share it, with APIs of their own."""
    made = Labs(run_folder)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def lab(labs: Labs) -> Lab:
    made = labs.of(DIRECT)
    assert made.first["state"] == "succeeded"
    return made


@pytest.fixture(scope="module")
def played_lab(labs: Labs) -> Lab:
    """Jobs are runs of the real playbooks."""
    return labs.of(PLAYED)
