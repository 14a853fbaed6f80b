"""One member of each event source mapping of a function, as a process: `python -m local.runtime.run_source '<json>'`.

The JSON says what to run (`Task`); secrets come from the environment, which the function sees whole.
"""

import argparse
import json
import logging
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from local.runtime.event_source import EventSource, Surroundings
from local.runtime.mapping import Mapping
from local.runtime.processes import die_with_parent, function_environment, stop_on_signal
from local.runtime.slots import Workers
from local.runtime.worker import FunctionSpec


@dataclass(frozen=True)
class Task:
    """What one process runs: mappings of one function, whose invocations share its workers.

    `reports` are the counters' files, one per mapping. The broker is in the environment, as STOA_KAFKA_BOOTSTRAP.
    """

    mappings: tuple[Mapping, ...]
    target: str
    timeout_s: float
    memory_mb: int
    member: int
    scale: float
    session_s: float
    log: str
    reports: tuple[str, ...]

    def dump(self) -> str:
        return json.dumps(asdict(self))


def parse(text: str) -> Task:
    """The task in a command line. Raises TypeError or ValueError on a bad one."""
    fields = json.loads(text)
    mappings = []
    for settings in fields.pop("mappings"):
        settings["backoff_s"] = tuple(settings["backoff_s"])
        settings["filters"] = tuple(settings["filters"])
        mappings.append(Mapping(**settings))
    return Task(mappings=tuple(mappings), **{**fields, "reports": tuple(fields["reports"])})


def sources(task: Task) -> list[EventSource]:
    """The event sources of a task, not yet running."""
    spec = FunctionSpec(
        name=task.mappings[0].function,
        target=task.target,
        timeout_s=task.timeout_s,
        memory_mb=task.memory_mb,
        environment=function_environment(),
        log=Path(task.log),
    )
    workers = Workers(spec, max(mapping.concurrency for mapping in task.mappings))
    bootstrap = os.environ["STOA_KAFKA_BOOTSTRAP"]
    return [
        EventSource(
            mapping,
            workers,
            Surroundings(bootstrap, task.member, task.scale, task.session_s, report=Path(report)),
        )
        for mapping, report in zip(task.mappings, task.reports, strict=True)
    ]


def main() -> None:
    """Runs until SIGTERM, SIGINT, the end of the parent, or that of one source."""
    die_with_parent()
    options = argparse.ArgumentParser(prog="python -m local.runtime.run_source")
    options.add_argument("task", help="a Task as JSON")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    running = sources(parse(options.parse_args().task))

    def stop() -> None:
        for each in running:
            each.stop()

    def run(one: EventSource) -> None:
        try:
            one.run()
        finally:
            stop()

    stop_on_signal(stop)
    others = [threading.Thread(target=run, args=(one,), name=one.mapping.group) for one in running[1:]]
    for other in others:
        other.start()
    run(running[0])
    for other in others:
        other.join()


if __name__ == "__main__":
    main()
