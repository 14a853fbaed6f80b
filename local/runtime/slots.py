"""The invocations of one event source that run at the same time, each in a worker of its function."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local.runtime.dispatch import Payload
from local.runtime.worker import FunctionSpec, InvocationError, Worker


@dataclass(frozen=True)
class Finished:
    """An invocation that ended: the function's answer, or the error that took its place."""

    payload: Payload
    answer: Any
    error: InvocationError | None


class Workers:
    """The processes of one function, which the sources of a runner share; the one used last is taken first."""

    def __init__(self, spec: FunctionSpec, size: int) -> None:
        self._all = [Worker(spec) for _ in range(size)]
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in self._all:
            self._idle.put(worker)

    @property
    def pids(self) -> list[int]:
        return [pid for worker in self._all if (pid := worker.pid) is not None]

    def warm_up(self) -> None:
        """Starts one worker; a function that cannot start fails its first invocation instead."""
        worker = self._idle.get()
        try:
            worker.start()
        finally:
            self._idle.put(worker)

    def invoke(self, event: Any) -> Any:
        """Waits for a worker that is free. Raises InvocationError."""
        worker = self._idle.get()
        try:
            return worker.invoke(event)
        finally:
            self._idle.put(worker)

    def kill(self) -> None:
        for worker in self._all:
            worker.kill()

    def stop(self) -> None:
        for worker in self._all:
            worker.stop()


class Slots:
    """`size` is the number of invocations at once."""

    def __init__(self, workers: Workers, size: int) -> None:
        self._workers = workers
        self._size = size
        self._busy = 0
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="slot")
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()

    @property
    def free(self) -> int:
        return self._size - self._busy

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def pids(self) -> list[int]:
        return self._workers.pids

    def warm_up(self) -> None:
        """Starts one worker in the background."""
        self._threads.submit(self._workers.warm_up)

    def start(self, payload: Payload, event: Callable[[], Any]) -> None:
        """Invokes in the background; a slot must be free."""
        self._busy += 1
        self._threads.submit(self._run, payload, event)

    def finished(self, timeout_s: float = 0.0) -> list[Finished]:
        """Everything that ended; waits for the first as long as `timeout_s`."""
        ended: list[Finished] = []
        try:
            while True:
                wait_s = 0.0 if ended else timeout_s
                ended.append(self._finished.get(block=wait_s > 0, timeout=wait_s or None))
                self._busy -= 1
        except queue.Empty:
            return ended

    def close(self) -> None:
        """Kills what still runs."""
        self._workers.kill()
        self._threads.shutdown(wait=True)
        self._workers.stop()

    def _run(self, payload: Payload, event: Callable[[], Any]) -> None:
        try:
            finished = Finished(payload, self._workers.invoke(event()), None)
        except InvocationError as error:
            finished = Finished(payload, None, error)
        except Exception as error:  # noqa: BLE001  no process, no memory: the slot must come back in any case
            finished = Finished(payload, None, InvocationError(f"not invoked: {error!r}"))
        self._finished.put(finished)
