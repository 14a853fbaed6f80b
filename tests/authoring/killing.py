"""A worker in a process of its own that is killed at a point of its way: this module, run, reads the database,
GitLab, the change and the point as JSON from its input. It imports little, because it is started often."""

import json
import os
import signal
import subprocess
import sys
import uuid
from typing import Any

from stoa.adapters.gitlab import GitLab
from stoa.authoring.flows import Authoring
from stoa.gitops.flows import GitOps
from stoa.gitops.model import gateway_document
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, Position
from stoa.kernel.settings import Secret

TENANT, API, ADA = "tenant-a", "orders", "sub-ada"
POINTS = ("announced", "committed", "recorded", "known")


def message(change_id: str) -> Message:
    return Message(
        position=Position("api-changes", 0, 0), key=f"{TENANT}/{API}", id=uuid.uuid4().hex,
        type="stoa.api.change-asked", subject="", tenant=TENANT, actor=ADA, trace_id="", generation=0,
        data={"change_id": change_id},
    )  # fmt: skip


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(database_url: str, url: str, token: str, change_id: str, point: str) -> None:
    """Returns when it is dead."""
    given = json.dumps([database_url, url, token, change_id, point])
    command = [sys.executable, "-m", "tests.authoring.killing"]
    done = subprocess.run(command, input=given, text=True, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def main() -> None:
    database_url, url, token, change_id, point = json.load(sys.stdin)
    database, gitlab = Database(Secret(database_url), "stoa_worker"), GitLab(url, Secret(token))
    unused: Any = None
    gitops = GitOps(database, lambda _: None, unused, unused, unused, unused, unused, unused, unused)
    commit = gitlab.commit

    def dying(*asked: Any) -> str:
        if point == "announced":
            die()
        made = commit(*asked)
        return made if point != "committed" else die()

    gitlab.commit = dying  # type: ignore[method-assign]
    accept = die if point == "recorded" else gitops.accept_push
    Authoring(database, lambda _: None, accept, gateway_document, lambda: gitlab).write(message(change_id))
    die()


if __name__ == "__main__":
    main()
