"""One question to a part at a time, in a thread of its own: a frozen part takes nobody else's answers away."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """Asks again once the question before has an answer, however late that came."""

    def __init__(self, name: str, ask: Callable[[], Iterable[Answer]], failures: tuple[type[Exception], ...]) -> None:
        self.name = name
        self.seconds = 0.0
        self._ask = ask
        self._failures = failures
        self._thread: threading.Thread | None = None
        self._answer: list[Answer] | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._answer = None
            self._thread = threading.Thread(target=self._run, name=f"probe-{self.name}", daemon=True)
            self._thread.start()

    def answer(self, deadline: float) -> list[Answer] | None:
        """None when the part failed, or has not answered by then (as time.monotonic has it)."""
        if self._thread is None:
            return None
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return None if self._thread.is_alive() else self._answer

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            self._answer = list(self._ask())
        except self._failures:
            self._answer = None
        finally:
            self.seconds = time.monotonic() - begun
