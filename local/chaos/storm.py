"""Carries out a plan of faults beside the load, at most a few at a time and one per part."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import requests
from kafka.errors import KafkaError

from local.chaos.faults import broken
from local.chaos.plan import AT_ONCE, Fault
from local.stack import Stack

LATEST_S = 6.0


class Storm:
    """`done` counts the faults by kind that were done and healed; one that healing made late is left out."""

    def __init__(self, stack: Stack, faults: Sequence[Fault], say: Callable[[str], None]) -> None:
        self.done: Counter[str] = Counter()
        self._stack = stack
        self._faults = faults
        self._say = say
        self._parts = {fault.kind.part: threading.Lock() for fault in faults}

    def run(self, begun: float) -> None:
        """Returns when every fault is healed. Raises what a fault raised that could not be healed."""
        with ThreadPoolExecutor(AT_ONCE, "fault") as pool:
            running: list[Future[None]] = []
            for fault in self._faults:
                time.sleep(max(0.0, begun + fault.at_s - time.monotonic()))
                running.append(pool.submit(self._one, fault, begun))
        for each in running:
            each.result()

    def _one(self, fault: Fault, begun: float) -> None:
        with self._parts[fault.kind.part]:
            late_s = time.monotonic() - begun - fault.at_s
            if late_s > LATEST_S:
                self._say(f"{fault.kind.name}: left out, {late_s:.0f} s late")
                return
            broken_at = time.monotonic()
            try:
                with broken(self._stack, fault) as said:
                    self._say(f"{fault.kind.name} {said}".rstrip())
                    time.sleep(fault.lasts_s)
            except (requests.RequestException, KafkaError) as error:
                # what is sent again needs its source and target, and another fault has them
                self._say(f"{fault.kind.name}: not done, {type(error).__name__}")
                return
            self.done[fault.kind.name] += 1
            if fault.lasts_s:
                self._say(f"{fault.kind.name}: healed after {time.monotonic() - broken_at:.1f} s")
