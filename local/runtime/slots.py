"""The invocations of one event source that run at the same time, each in its own worker."""

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


class Slots:
    """`spec` is the function, `size` the number of invocations at once."""

    def __init__(self, spec: FunctionSpec, size: int) -> None:
        self._workers = [Worker(spec) for _ in range(size)]
        self._free = list(self._workers)
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="slot")
        self._finished: queue.SimpleQueue[tuple[Worker, Finished]] = queue.SimpleQueue()

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def busy(self) -> int:
        return len(self._workers) - len(self._free)

    @property
    def pids(self) -> list[int]:
        return [pid for worker in self._workers if (pid := worker.pid) is not None]

    def warm_up(self) -> None:
        """Starts one worker now; a function that cannot start fails its first invocation instead."""
        self._threads.submit(self._workers[-1].start)

    def start(self, payload: Payload, event: Callable[[], Any]) -> None:
        """Invokes in the background; a slot must be free."""
        worker = self._free.pop()
        self._threads.submit(self._run, worker, payload, event)

    def finished(self, timeout_s: float = 0.0) -> list[Finished]:
        """Everything that ended; waits for the first as long as `timeout_s`."""
        ended: list[Finished] = []
        try:
            while True:
                wait_s = 0.0 if ended else timeout_s
                worker, one = self._finished.get(block=wait_s > 0, timeout=wait_s or None)
                self._free.append(worker)
                ended.append(one)
        except queue.Empty:
            return ended

    def close(self) -> None:
        """Kills what still runs."""
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(wait=True)
        for worker in self._workers:
            worker.stop()

    def _run(self, worker: Worker, payload: Payload, event: Callable[[], Any]) -> None:
        try:
            finished = Finished(payload, worker.invoke(event()), None)
        except InvocationError as error:
            finished = Finished(payload, None, error)
        except Exception as error:  # noqa: BLE001  no process, no memory: the slot must come back in any case
            finished = Finished(payload, None, InvocationError(f"not invoked: {error!r}"))
        self._finished.put((worker, finished))
