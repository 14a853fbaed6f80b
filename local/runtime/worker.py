"""One Lambda function in its own process: started at its first call, killed at its deadline.

`python -m local.runtime.worker functions.api.handler:handler --fd 5` is the process; `Worker` is the
parent's side of it. One invocation at a time; after a kill the next call starts a fresh process.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from local.runtime import clock_shift, frames, invocation

REGION = "eu-central-1"
INIT_LIMIT_S = 120.0
STOP_LIMIT_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


class InvocationError(Exception):
    """An invocation that brought no result."""


class FunctionError(InvocationError):
    """The handler raised, could not be imported, or answered with something that is not JSON."""

    def __init__(self, error_type: str, message: str, stack_trace: list[str]) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message
        self.stack_trace = stack_trace


class FunctionTimeout(InvocationError):
    """The deadline passed; the process was killed."""


class FunctionDied(InvocationError):
    """The process ended in the middle of the invocation."""


@dataclass(frozen=True)
class FunctionSpec:
    """What is needed to start a function. `environment` is everything it sees beside what Lambda sets."""

    name: str
    target: str
    timeout_s: float = 60.0
    memory_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None

    def process_environment(self) -> dict[str, str]:
        """As in Lambda: nothing of the caller's own environment but the path to programs."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONUNBUFFERED": "1",
            **self.environment,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LAMBDA_TASK_ROOT": str(ROOT),
            "_HANDLER": self.target,
        }


class Worker:
    """A function that can be called. Calls from several threads wait for each other."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the process runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Starts the process and waits until its handler is imported. Raises FunctionError, FunctionDied."""
        with self._turn:
            self._started()

    def invoke(self, event: object) -> Any:
        """What the handler returned. Raises FunctionError, FunctionTimeout, FunctionDied."""
        with self._turn:
            connection = self._started()
            deadline_ms = (time.time() + self.spec.timeout_s) * 1000
            request = {"request_id": str(uuid.uuid4()), "deadline_ms": deadline_ms, "event": event}
            connection.settimeout(self.spec.timeout_s)
            answer = self._ask(connection, frames.pack(request))
        if "error" in answer:
            raise _function_error(answer["error"])
        return answer["result"]

    def kill(self) -> None:
        """SIGKILL; an invocation under way ends with FunctionDied."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Ends the process; waits for an invocation under way."""
        with self._turn:
            self._clear()

    def _ask(self, connection: socket.socket, request: bytes) -> dict[str, Any]:
        try:
            connection.sendall(request)
            answer: dict[str, Any] = frames.receive(connection)
        except TimeoutError as error:
            self.kill()
            self._clear()
            raise FunctionTimeout(f"Task timed out after {self.spec.timeout_s:.2f} seconds") from error
        except OSError as error:
            raise FunctionDied(f"Runtime exited: {self._ending()}") from error
        return answer

    def _started(self) -> socket.socket:
        if self._connection is not None and self.pid is not None:
            return self._connection
        self._clear()
        mine, theirs = socket.socketpair()
        with theirs, _log(self.spec.log) as log:
            command = [sys.executable, "-m", "local.runtime.worker", self.spec.target, "--fd", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.spec.process_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
            )
        self._connection = mine
        mine.settimeout(INIT_LIMIT_S)
        first = self._first_word(mine)
        if "init_error" in first:
            self._clear()
            raise _function_error(first["init_error"])
        return mine

    def _first_word(self, connection: socket.socket) -> dict[str, Any]:
        try:
            word: dict[str, Any] = frames.receive(connection)
        except TimeoutError as error:
            self._clear()
            raise FunctionTimeout(f"the handler was not imported within {INIT_LIMIT_S:.0f} seconds") from error
        except OSError as error:
            raise FunctionDied(f"Runtime exited before it was ready: {self._ending()}") from error
        return word

    def _ending(self) -> str:
        process = self._process
        self._clear()
        return f"exit status {process.returncode}" if process is not None else "not started"

    def _clear(self) -> None:
        connection, process = self._connection, self._process
        self._connection = self._process = None
        if connection is not None:
            connection.close()
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            # a process whose connection closed ends by itself; one that hangs does not
            process.wait(timeout=STOP_LIMIT_S if process.poll() is None else 0)
            return
        process.kill()
        process.wait()


def _log(path: Path | None) -> "IO[bytes]":
    return open(path or os.devnull, "ab")  # noqa: SIM115  the caller's with statement closes it


def _function_error(error: dict[str, Any]) -> FunctionError:
    return FunctionError(
        str(error.get("errorType", "")), str(error.get("errorMessage", "")), list(error.get("stackTrace", []))
    )


def main() -> None:
    """The process: serves until its parent is gone."""
    options = argparse.ArgumentParser(prog="python -m local.runtime.worker")
    options.add_argument("handler", help="package.module:attribute")
    options.add_argument("--fd", type=int, required=True, help="number of the inherited socket")
    chosen = options.parse_args()
    if wrong := os.environ.get(clock_shift.FILE):
        clock_shift.install(Path(wrong))
    invocation.serve(chosen.handler, socket.socket(fileno=chosen.fd))


if __name__ == "__main__":
    main()
