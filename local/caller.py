"""Calls an API through the gateway at a steady pace and counts what fails."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import requests


@dataclass
class Counts:
    """`failures` counts by status, or by the name of the error when there was no answer."""

    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Caller:
    """A thread that sends `per_second` GET requests until it is stopped."""

    def __init__(self, url: str, key: str, per_second: float) -> None:
        self.counts = Counts()
        self._url = url
        self._headers = {"x-Gateway-APIKey": key}
        self._pause = 1 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Counts:
        self._stop.set()
        self._thread.join(timeout=15)
        return self.counts

    def _run(self) -> None:
        session = requests.Session()
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            self.counts.calls += 1
            try:
                status = session.get(self._url, headers=self._headers, timeout=10).status_code
            except requests.RequestException as error:
                self.counts.failures[type(error).__name__] += 1
                continue
            if status != 200:
                self.counts.failures[str(status)] += 1
