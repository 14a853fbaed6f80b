"""A served emulator and the calls that every story begins with. Its clock can be moved on."""

import contextlib
import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from local.emulators.argocd.app import create_app
from local.emulators.argocd.settings import Config
from tests.emulators.served import served

TOKEN, PASSWORD = "argocd-token", "argocd-pass"
NUMBERS = itertools.count(1)
JSON = {"content-type": "application/json"}


class Kit:
    """Talks to one emulator; every project and application has a fresh name."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.plain = httpx.Client(base_url=url, timeout=30)
        self.api = httpx.Client(base_url=f"{url}/api/v1", timeout=30,
                                headers={**JSON, "authorization": f"Bearer {TOKEN}"})  # fmt: skip
        self.made: dict[str, dict[str, Any]] = {}
        self.ahead_s = 0.0

    def close(self) -> None:
        self.api.close()
        self.plain.close()

    def put(self, control: str, **body: Any) -> Any:
        answer = self.plain.put(f"/_emulator/{control}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make(self, name: str, project: str, **template: Any) -> None:
        """The ApplicationSet makes one application more, or changes it."""
        self.made[name] = {"project": project, **template}
        self.put("applicationset", applications=self.made)

    def prune(self, name: str) -> None:
        del self.made[name]
        self.put("applicationset", applications=self.made)

    def app(self, **template: Any) -> tuple[str, str]:
        """The name of a new application, and its project."""
        project = f"tenant-{next(NUMBERS):04}"
        self.make(f"{project}-orders", project, **template)
        return f"{project}-orders", project

    def later(self, seconds: float = 5) -> None:
        """Everything that was under way is over."""
        self.ahead_s += seconds
        self.put("timing", ahead_s=self.ahead_s)

    def read(self, app: tuple[str, str], **query: str) -> dict[str, Any]:
        answer = self.api.get(f"/applications/{app[0]}", params={"project": app[1], **query})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def sync(self, app: tuple[str, str], revision: str | None = None) -> httpx.Response:
        asked = {"project": app[1], **({"revision": revision} if revision else {})}
        return self.api.post(f"/applications/{app[0]}/sync", json=asked)


def sha() -> str:
    return secrets.token_hex(20)


@contextlib.contextmanager
def kits(folder: Path, **options: Any) -> Iterator[Kit]:
    with served(create_app(Config(folder, TOKEN, PASSWORD, **options))) as url:
        kit = Kit(url)
        yield kit
        kit.close()
