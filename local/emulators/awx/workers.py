"""Processes for the runs: a few that stay, one run at a time in each; cancelling a run ends its process."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.emulators.awx.answers import Json

ROOT = Path(__file__).resolve().parents[3]
GRACE_S = 5.0
LINE_LIMIT = 64 * 1024 * 1024
ENDED = {"status": "error", "timeout": False, "artifacts": {}, "hosts": {}, "traceback": "the run's process ended"}


class Workers:
    def __init__(self, state: Path) -> None:
        self.folder = state / "runs"
        # what a killed emulator left there
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self._idle: list[asyncio.subprocess.Process] = []
        self._busy: dict[int, asyncio.subprocess.Process] = {}
        self._all: list[asyncio.subprocess.Process] = []
        self._stopped: set[int] = set()

    async def run(self, job_id: int, request: Json, event: Callable[[Json], None]) -> Json:
        """The result of one run; one whose process is ended by `stop` gives status error."""
        process = self._idle.pop() if self._idle else await self._start()
        self._busy[job_id] = process
        if job_id in self._stopped:
            await _end(process)
        folder = self.folder / str(job_id)
        folder.mkdir(mode=0o700)
        try:
            result = await self._talk(process, {**request, "folder": str(folder)}, event)
        finally:
            del self._busy[job_id]
            self._stopped.discard(job_id)
        if result is None:
            await process.wait()
            shutil.rmtree(folder, ignore_errors=True)
            return dict(ENDED)
        self._idle.append(process)
        return result

    async def stop(self, job_id: int) -> None:
        """Returns when nothing of the run is left."""
        self._stopped.add(job_id)
        process = self._busy.get(job_id)
        if process is not None:
            await _end(process)

    async def close(self) -> None:
        for process in self._all:
            await _end(process)

    async def _start(self) -> asyncio.subprocess.Process:
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWX_")}
        programs = str(Path(sys.executable).parent)
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "local.emulators.awx.work", str(os.getpid())],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={**own, "PATH": f"{programs}{os.pathsep}{own.get('PATH', '')}"},
            start_new_session=True,
            limit=LINE_LIMIT,
        )
        self._all = [one for one in [*self._all, process] if one.returncode is None]
        return process

    async def _talk(
        self, process: asyncio.subprocess.Process, request: Json, event: Callable[[Json], None]
    ) -> Json | None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started with pipes")
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        except ConnectionError:
            return None
        while line := await process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            if "done" in message:
                return dict(message["done"])
            event(message["event"])
        return None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), GRACE_S)
        except TimeoutError:
            process.kill()
            await process.wait()
