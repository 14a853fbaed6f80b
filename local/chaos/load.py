"""What people do to the platform during a run: they push, and they start, retry, cancel and roll back by hand.

It notes for itself what was taken, and knows nothing of the platform's tables.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import yaml
from requests.auth import AuthBase

from local.chaos.evidence import Answer
from local.workspace import ENVIRONMENT_YAML, TENANT, GitFailed, Workspace, api_folder, openapi_document

APIS = tuple(f"chaos-{number:02}" for number in range(24))
PUSH_EVERY_S = 0.35
ACT_EVERY_S = 0.7
AGAIN_AFTER_S = 0.4
TRIES = 8
TIMEOUT_S = 10
API_YAML = """\
apiVersion: stoa.cab-i.com/v1
kind: API
metadata: {{name: {api}, tenant: {tenant}}}
spec:
  displayName: {api}
  version: 1.0.0
  backend:
    url: ${{BACKEND_URL}}
    authentication:
      type: basic
      usernameRef: vault:secret/apim/{tenant}/dev/orders#username
      passwordRef: vault:secret/apim/{tenant}/dev/orders#password
  security: {{type: none}}
  policies: {{logging: false}}
"""
BROKEN_YAML = "openapi: 3.1.0\npaths: [\n# {path}\n"


@dataclass
class Notes:
    """`acknowledged` are the commits whose push git said was taken; `answers` what was accepted by hand; `sent` counts,
    by API and trigger, the keys of what was or may have been; `cancelled` what was, or may have been, cancelled;
    `refused` counts refusals of requests by hand by their code."""

    acknowledged: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    cancelled: set[str] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    failed_pushes: int = 0


@contextmanager
def at_work(people: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Each works beside the block until it ends. Raises what ended one of them before."""
    stopping = threading.Event()
    with ThreadPoolExecutor(len(people), "person") as pool:
        working = [pool.submit(person, stopping) for person in people]
        try:
            yield
        finally:
            stopping.set()
    for each in working:
        each.result()


class Pushes:
    """Commits to a working copy and pushes, several times a second."""

    def __init__(self, workspace: Workspace, backend: str, seed: int, notes: Notes) -> None:
        self._workspace = workspace
        self._backend = backend
        self._rng = random.Random(f"pushes {seed}")
        self._notes = notes
        self._there: set[str] = set()
        self._round = 0

    def first(self) -> None:
        """Half of the APIs, in one push."""
        for api in APIS[::2]:
            self._write(api)
        self._workspace.record("The first APIs")
        self._push(lambda: False)

    def run(self, stopping: threading.Event) -> None:
        due = time.monotonic()
        while not stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + PUSH_EVERY_S, time.monotonic())
            for _ in range(self._rng.choice((1, 1, 1, 1, 2))):
                self._change()
                self._workspace.record(f"Round {self._round}")
            self._push(stopping.is_set)

    def last(self) -> None:
        """What no push has taken yet, and a good document over each broken one of a third of the APIs."""
        for api in self._rng.sample(APIS, len(APIS) // 3):
            self._write(api)
        self._workspace.record("The last round")
        self._push(lambda: False)

    def _change(self) -> None:
        for api in self._rng.sample(APIS, self._rng.choice((1, 1, 1, 2, 2, 4))):
            fate = self._rng.random()
            if fate < 0.12 and api in self._there:
                self._break(api)
            elif fate < 0.24 and api in self._there:
                self._workspace.remove_api(api)
                self._there.discard(api)
            else:
                self._write(api)

    def _write(self, api: str) -> None:
        folder = api_folder(api)
        self._workspace.write(f"{folder}/api.yaml", API_YAML.format(api=api, tenant=TENANT))
        environment = ENVIRONMENT_YAML.format(api=api, environment="dev", backend=self._backend)
        self._workspace.write(f"{folder}/environments/dev.yaml", environment)
        text = yaml.safe_dump(openapi_document(paths=(self._path(),)), sort_keys=False)
        self._workspace.write(f"{folder}/openapi.yaml", text)
        self._there.add(api)

    def _break(self, api: str) -> None:
        self._workspace.write(f"{api_folder(api)}/openapi.yaml", BROKEN_YAML.format(path=self._path()))

    def _path(self) -> str:
        self._round += 1
        return f"/round-{self._round}"

    def _push(self, give_up: Callable[[], bool]) -> None:
        """Commits are not lost when GitLab is away: they go with the next push."""
        while True:
            try:
                self._notes.acknowledged.append(self._workspace.push_commits())
                return
            except GitFailed:
                self._notes.failed_pushes += 1
                if give_up():
                    return
                time.sleep(AGAIN_AFTER_S)


@dataclass(frozen=True)
class Order:
    """Something asked for by hand. `trigger` is what the row of it says; `path` follows that of the deployments."""

    api: str
    trigger: str
    path: str = ""
    body: dict[str, str] | None = None


class Hands:
    """Asks for something by hand, each time twice with one Idempotency-Key."""

    def __init__(self, url: str, who: AuthBase, seed: int, notes: Notes) -> None:
        self._url = url
        self._rng = random.Random(f"hands {seed}")
        self._notes = notes
        self._session = requests.Session()
        self._session.auth = who

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(ACT_EVERY_S):
            self._act(stopping)

    def _act(self, stopping: threading.Event) -> None:
        api = self._rng.choice(APIS)
        choice, which = self._rng.random(), self._rng.random()
        if choice < 0.35:
            start = Order(api, "api-call", body={"tenant": TENANT, "api": api, "environment": "dev"})
            self._ask(start, stopping)
            return
        known = self._known(api)
        if not known:
            return
        if choice < 0.6:
            self._ask(Order(api, "retry", f"/{known[0]['id']}/retry"), stopping)
        elif choice < 0.8:
            good = [each for each in known if each["state"] == "succeeded"] or known
            self._ask(Order(api, "rollback", f"/{good[int(which * len(good))]['id']}/rollback"), stopping)
        else:
            self._cancel(known[0]["id"])

    def _known(self, api: str) -> list[dict[str, Any]]:
        try:
            answer = self._session.get(
                f"{self._url}/v1/deployments", params={"tenant": TENANT, "api": api}, timeout=TIMEOUT_S
            )
            return list(answer.json()["items"]) if answer.ok else []
        except (requests.RequestException, ValueError):
            return []

    def _ask(self, order: Order, stopping: threading.Event) -> None:
        """Goes on until it was answered twice, or refused; what was never answered may have been accepted."""
        key = str(uuid.UUID(int=self._rng.getrandbits(128)))
        answers = 0
        for tries in range(TRIES):
            answer = self._post(order.path, order.body, key)
            if answer is not None and answer.status_code < 500 and answer.status_code != 202:
                self._refused(answer)
                return
            if not tries:  # what is refused at first has made nothing
                self._notes.sent[order.api, order.trigger] += 1
            if answer is None or answer.status_code >= 500:
                stopping.wait(AGAIN_AFTER_S)
                continue
            self._notes.answers.append(Answer(key, answer.json()["id"]))
            answers += 1
            if answers == 2:
                return

    def _cancel(self, deployment_id: str) -> None:
        self._notes.cancelled.add(deployment_id)  # an answer that never came may have been a yes
        answer = self._post(f"/{deployment_id}/cancel", None, None)
        if answer is not None and 400 <= answer.status_code < 500:
            self._refused(answer)
            self._notes.cancelled.discard(deployment_id)

    def _post(self, path: str, body: dict[str, str] | None, key: str | None) -> requests.Response | None:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            url = f"{self._url}/v1/deployments{path}"
            return self._session.post(url, json=body, headers=headers, timeout=TIMEOUT_S)
        except requests.RequestException:
            return None

    def _refused(self, answer: requests.Response) -> None:
        try:
            code = str(answer.json()["code"])
        except (ValueError, KeyError):
            code = str(answer.status_code)
        self._notes.refused[code] = self._notes.refused.get(code, 0) + 1
