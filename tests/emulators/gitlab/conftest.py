"""The emulator as a program, real git, a receiver of webhooks, and the calls that every story begins with."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gitlab
import httpx
import pytest

from local.parts.ports import free_port

TOKEN, READ_TOKEN = "glpat-owner", "glpat-reader"
NUMBERS = itertools.count(1)
GIT_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    **{f"GIT_{role}_NAME": "Ada" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "ada@example.com" for role in ("AUTHOR", "COMMITTER")},
}


class Receiver(ThreadingHTTPServer):
    """Takes webhooks at any path; `status` and `delay_s` by path are how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.status: dict[str, int] = {}
        self.delay_s: dict[str, float] = {}
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class ReceiverHandler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.delay_s.get(self.path, 0))
        self.server.received.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.server.status.get(self.path, 202))
        self.send_header("Location", self.server.url("/elsewhere"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Inbox:
    """What one hook receives."""

    def __init__(self, receiver: Receiver, path: str) -> None:
        self.receiver, self.path = receiver, path
        self.url = receiver.url(path)

    def answer(self, status: int = 202, delay_s: float = 0) -> None:
        self.receiver.status[self.path], self.receiver.delay_s[self.path] = status, delay_s

    @property
    def headers(self) -> list[dict[str, str]]:
        return [headers for path, headers, _ in list(self.receiver.received) if path == self.path]

    @property
    def raw(self) -> list[bytes]:
        return [body for path, _, body in list(self.receiver.received) if path == self.path]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.raw]

    def wait(self, count: int = 1) -> list[dict[str, Any]]:
        until(lambda: len(self.raw) >= count)
        return self.bodies


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


class Copy:
    """A clone of a project, worked on with git."""

    def __init__(self, folder: Path, remote: str) -> None:
        self.folder, self.remote = folder, remote

    def git(self, *arguments: str, stdin: str = "", check: bool = True) -> Any:
        command = ["git", "-C", str(self.folder), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=GIT_ENVIRONMENT)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str, /, **files: str | None) -> str:
        """Writes files (`a__b` is a/b.txt), removes the ones given as None; the id of the commit."""
        for name, text in files.items():
            path = self.folder / f"{name.replace('__', '/')}.txt"
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return str(self.git("rev-parse", "HEAD"))

    def push(self, *arguments: str, check: bool = True) -> Any:
        return self.git("push", *(arguments or ("origin", "HEAD")), check=check)


class Kit:
    """Talks to one emulator; names are fresh at each call."""

    def __init__(self, url: str, receiver: Receiver, folder: Path) -> None:
        self.url, self.receiver, self.folder = url, receiver, folder
        self.api = httpx.Client(base_url=f"{url}/api/v4", headers={"private-token": TOKEN}, timeout=30)
        self.plain = httpx.Client(base_url=url, timeout=30)
        self.gitlab = gitlab.Gitlab(url, private_token=TOKEN)

    def close(self) -> None:
        """An open connection would make the server wait for it at its end."""
        self.api.close()
        self.plain.close()
        self.gitlab.session.close()

    def name(self, word: str = "name") -> str:
        return f"{word}-{next(NUMBERS):04}"

    def project(self, **fields: Any) -> Any:
        return self.gitlab.projects.create({"name": self.name("project"), **fields})

    def seeded(self, branch: str = "main", **fields: Any) -> Any:
        """A project with README.txt, docs/guide.txt and tools/run.txt."""
        project = self.project(default_branch=branch, **fields)
        files = {"README.txt": "read me\n", "docs/guide.txt": "a guide\n", "tools/run.txt": "run\n"}
        self.write(project, files, branch=branch)
        return project

    def write(self, project: Any, files: dict[str, str], *, action: str = "create", **fields: Any) -> Any:
        actions = [{"action": action, "file_path": path, "content": text} for path, text in files.items()]
        return project.commits.create({"branch": "main", "commit_message": "Write", "actions": actions, **fields})

    def commit(self, project: Any, *actions: dict[str, Any], **fields: Any) -> httpx.Response:
        body = {"branch": "main", "commit_message": "Change", "actions": list(actions), **fields}
        return self.api.post(f"/projects/{project.id}/repository/commits", json=body)

    def file(self, project: Any, path: str) -> str:
        return f"/projects/{project.id}/repository/files/{quote(path, safe='')}"

    def remote(self, project: Any, token: str = TOKEN) -> str:
        return self.url.replace("://", f"://anyone:{token}@") + f"/{project.path_with_namespace}.git"

    def clone(self, project: Any, token: str = TOKEN) -> Copy:
        copy = Copy(self.folder / self.name("copy"), self.remote(project, token))
        command = ["git", "clone", "--quiet", copy.remote, str(copy.folder)]
        subprocess.run(command, check=True, capture_output=True, env=GIT_ENVIRONMENT)
        return copy

    def pushed(self, project: Any, count: int = 1) -> Copy:
        """A clone whose first commits were pushed to main."""
        copy = self.clone(project)
        copy.git("checkout", "--quiet", "-B", "main")
        for number in range(count):
            copy.commit(f"Commit {number}", file=f"{number}\n")
        copy.push("origin", "main")
        return copy

    def hook(self, project: Any, **fields: Any) -> tuple[Any, Inbox]:
        inbox = Inbox(self.receiver, f"/{self.name('hook')}")
        return project.hooks.create({"url": inbox.url, "push_events": True, **fields}), inbox

    def put(self, control: str, **body: Any) -> None:
        answer = self.plain.put(f"/_emulator/{control}", json=body)
        assert answer.status_code == 200, answer.text

    def log(self, hook: Any, count: int) -> list[dict[str, Any]]:
        """The deliveries of a hook, when there are so many."""

        def found() -> list[dict[str, Any]]:
            asked = {"full": "1", "hook": hook.id}
            return list(self.plain.get("/_emulator/deliveries", params=asked).json()["deliveries"])

        until(lambda: len(found()) >= count)
        return found()

    @contextlib.contextmanager
    def variants(self, **values: Any) -> Iterator[None]:
        before = self.plain.get("/_emulator/variants").json()
        self.put("variants", **values)
        yield
        self.put("variants", **before)

    @contextlib.contextmanager
    def deliveries(self, mode: str, count: int | None = None) -> Iterator[None]:
        self.put("deliveries", mode=mode, count=count)
        yield
        self.put("deliveries", mode="normal")


class Process:
    """The emulator as a program, so that it can be killed and started again on its state."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.port, self.state = free_port(), folder / "state"
        self.kit = Kit(f"http://127.0.0.1:{self.port}", receiver, folder)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "local.emulators.gitlab", "--port", str(self.port), "--state", str(self.state)]
        environment = {**os.environ, "GITLAB_TOKEN": TOKEN, "GITLAB_READ_TOKEN": READ_TOKEN}
        self.child = subprocess.Popen(command, env=environment)
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return self.kit.api.get("/version").status_code == 200
        except httpx.TransportError:
            assert self.child.poll() is None
            return False

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(60)

    def stop(self) -> None:
        self.kit.close()
        self.child.terminate()
        self.child.wait(60)


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Kit]:
    process = Process(tmp_path_factory.mktemp("gitlab"), receiver)
    yield process.kit
    process.stop()


@pytest.fixture
def process(tmp_path: Path, receiver: Receiver) -> Iterator[Process]:
    """An emulator of one's own."""
    made = Process(tmp_path, receiver)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Waits until a condition holds; gives what it found."""
    return until


@pytest.fixture
def stranger(kit: Kit) -> Iterator[httpx.Client]:
    """A user with a token of scope read_api, a member of no project."""
    with httpx.Client(base_url=f"{kit.url}/api/v4", headers={"private-token": READ_TOKEN}, timeout=30) as client:
        yield client
