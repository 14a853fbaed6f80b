"""Calls functions at a fixed rate, each one at a time: `python -m local.runtime.schedule '<json>'`.

A tick that fails is logged and the next one goes on; ticks that would overlap are left out.
"""

import argparse
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.runtime.processes import die_with_parent, function_environment, stop_on_signal
from local.runtime.worker import REGION, FunctionSpec, InvocationError, Worker

log = logging.getLogger(__name__)

ACCOUNT = "000000000000"
DAY_S = 86_400


@dataclass(frozen=True)
class Rate:
    """A function, the seconds to its first tick and those between its ticks, already scaled."""

    function: str
    target: str
    first_s: float
    every_s: float
    timeout_s: float
    memory_mb: int
    log: str


def dump(rates: Sequence[Rate]) -> str:
    """The rates as the argument of the process."""
    return json.dumps([asdict(rate) for rate in rates])


def event(function: str, at: datetime) -> dict[str, Any]:
    """What EventBridge sends for a schedule."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{function}"],
        "detail": {},
    }


def to_the_hour(hour: int, at: datetime) -> float:
    """Seconds from `at` to when it is next that hour, in UTC; a whole day at that very hour."""
    utc = at.astimezone(UTC)
    today = utc.replace(hour=hour, minute=0, second=0, microsecond=0)
    return (today - utc).total_seconds() % DAY_S or DAY_S


def run(rate: Rate, invoke: Callable[[dict[str, Any]], Any], stopping: threading.Event) -> None:
    """Ticks until `stopping` is set."""
    function, every_s = rate.function, rate.every_s
    due = time.monotonic() + rate.first_s
    while not stopping.wait(max(0.0, due - time.monotonic())):
        try:
            invoke(event(function, datetime.now(UTC)))
        except InvocationError as error:
            if not stopping.is_set():
                log.warning("%s: this tick failed: %s", function, error)
        now = time.monotonic()
        due += every_s * max(1, -(-(now - due) // every_s))


def main() -> None:
    """Runs until SIGTERM, SIGINT, or the end of the parent."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = argparse.ArgumentParser(prog="python -m local.runtime.schedule")
    options.add_argument("rates", help="a list of Rate as JSON")
    stopping = threading.Event()
    stop_on_signal(stopping.set)
    environment = function_environment()
    workers, threads = [], []
    for rate in (Rate(**one) for one in json.loads(options.parse_args().rates)):
        spec = FunctionSpec(rate.function, rate.target, rate.timeout_s, rate.memory_mb, environment, Path(rate.log))
        worker = Worker(spec)
        workers.append(worker)
        threads.append(threading.Thread(target=run, args=(rate, worker.invoke, stopping)))
    for thread in threads:
        thread.start()
    stopping.wait()
    for worker in workers:
        worker.kill()
    for thread in threads:
        thread.join()
    for worker in workers:
        worker.stop()


if __name__ == "__main__":
    main()
