"""One member of one event source mapping as a process: `python -m local.runtime.run_source '<json>'`.

The JSON says what to run (`Task`); secrets come from the environment, which the function sees whole.
"""

import argparse
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from local.runtime.event_source import EventSource, Surroundings
from local.runtime.mapping import Mapping
from local.runtime.processes import die_with_parent, function_environment, stop_on_signal
from local.runtime.worker import FunctionSpec


@dataclass(frozen=True)
class Task:
    """What one process runs. The broker is in the environment, as STOA_KAFKA_BOOTSTRAP."""

    mapping: Mapping
    target: str
    timeout_s: float
    memory_mb: int
    member: int
    scale: float
    session_s: float
    log: str
    report: str

    def dump(self) -> str:
        return json.dumps(asdict(self))


def parse(text: str) -> Task:
    """The task in a command line. Raises TypeError or ValueError on a bad one."""
    fields = json.loads(text)
    settings = fields.pop("mapping")
    settings["backoff_s"] = tuple(settings["backoff_s"])
    settings["filters"] = tuple(settings["filters"])
    return Task(mapping=Mapping(**settings), **fields)


def source(task: Task) -> EventSource:
    """The event source of a task, not yet running."""
    spec = FunctionSpec(
        name=task.mapping.function,
        target=task.target,
        timeout_s=task.timeout_s,
        memory_mb=task.memory_mb,
        environment=function_environment(),
        log=Path(task.log),
    )
    bootstrap = os.environ["STOA_KAFKA_BOOTSTRAP"]
    where = Surroundings(bootstrap, task.member, task.scale, task.session_s, report=Path(task.report))
    return EventSource(task.mapping, spec, where)


def main() -> None:
    """Runs until SIGTERM, SIGINT, or the end of the parent."""
    die_with_parent()
    options = argparse.ArgumentParser(prog="python -m local.runtime.run_source")
    options.add_argument("task", help="a Task as JSON")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    running = source(parse(options.parse_args().task))
    stop_on_signal(running.stop)
    running.run()


if __name__ == "__main__":
    main()
