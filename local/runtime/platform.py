"""Everything that cdk/wiring.py declares, as processes on this machine.

One process for the HTTP front, one for each member of a function's event source mappings, one for all schedules.
Each may be killed and started again on its own; all of them end with the process that made the Platform.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cdk import wiring
from local.parts.ports import free_port, is_free
from local.runtime import counters, http, processes, run_source, schedule
from local.runtime.mapping import Mapping as SourceMapping

API_WORKERS = 4
SCHEDULES = "schedules"
FRONT = "local.runtime.http"
READY_LIMIT_S = 180.0
SESSION_S = 6.0
REPORT = ".counters.json"
# Lambda lets the partitions of a mapping go on independently. Here each invocation at once is a process, which
# starts at first need: two keep one blocked batch from holding all partitions.
CONCURRENCY = 2


@dataclass(frozen=True)
class Command:
    """How one process is started, which functions it runs, and where it reports."""

    name: str
    functions: tuple[str, ...]
    module: str
    argument: str
    sources: tuple[SourceMapping, ...] = ()
    reports: tuple[Path, ...] = ()


class Platform:
    """`environment` is all that the functions see, with STOA_PUBLIC_URL added where it is absent.

    `time_scale` > 1 makes schedules and back-offs that much faster. `members` says for a function how many
    runners its mappings have, `concurrency` how many invocations at once each of them runs; `api_workers` how many
    requests are served at once. Processes are named `<function>` (HTTP), `<function>.<topic>` (`<function>.*` for
    several topics; `#1`, `#2` for more members), and `schedules`. A function's name stands for all of its runners.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log_dir: Path,
        time_scale: float = 1.0,
        *,
        members: Mapping[str, int] | None = None,
        concurrency: int = CONCURRENCY,
        api_workers: int = API_WORKERS,
        functions: Sequence[wiring.Function] = wiring.FUNCTIONS,
        package: str = "functions",
        port: int | None = None,
    ) -> None:
        self.log_dir = log_dir
        self.time_scale = time_scale
        self._members = dict(members or {})
        self._concurrency = concurrency
        self._api_workers = api_workers
        self._functions = tuple(functions)
        self._package = package
        self._port = port or free_port()
        self._environment = {"STOA_PUBLIC_URL": self.api_url, **environment, "STOA_TIME_SCALE": str(time_scale)}
        self._commands: dict[str, Command] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def names(self) -> tuple[str, ...]:
        """The processes that were started."""
        return tuple(self._commands)

    def start(self, functions: Collection[str] | None = None, *, wait: bool = True) -> None:
        """Starts all functions, or only these, and waits until the API listens and each source has joined.

        Raises ValueError for an unknown function, RuntimeError when a process ends early or does not get ready.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        chosen = self._chosen(functions)
        commands = [command for function in chosen for command in self._commands_of(function)]
        rates = [self._rate(function) for function in chosen if function.ticks]
        if rates:
            names = tuple(rate.function for rate in rates)
            commands.append(Command(SCHEDULES, names, "local.runtime.schedule", schedule.dump(rates)))
        for command in commands:
            self._commands[command.name] = command
            self._launch(command)
        if wait:
            self.wait_ready()

    def stop(self) -> None:
        """Ends all processes; invocations under way get a few seconds."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            processes.stop(process)
        self._running.clear()

    def restart(self, name: str) -> None:
        """Stops what runs under the name, if it still does, and starts it again."""
        for each in self._resolve(name):
            processes.stop(self._running[each])
            self._launch(self._commands[each])

    def kill(self, name: str) -> None:
        """SIGKILL to the runners (or the front, or the schedules); their functions end with them."""
        for each in self._resolve(name):
            self._running[each].kill()
            self._running[each].wait()
            processes.close_pipe(self._running[each])

    def add_member(self, function: str, member: int) -> str:
        """Starts one more runner of a function's mappings, which shares their partitions; returns its name."""
        (wired,) = self._chosen([function])
        command = self._sources(wired, member)
        self._commands[command.name] = command
        self._launch(command)
        return command.name

    def remove(self, name: str) -> None:
        """Stops a runner for good; the others get its partitions when its session has lapsed."""
        processes.stop(self._running.pop(name))
        del self._commands[name]

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def kill_function(self, name: str) -> int:
        """SIGKILL to the processes that run the function for its event sources; returns how many there were."""
        killed = 0
        for each in self._resolve(name):
            reports = self._commands[each].reports
            for pid in {pid for report in reports for pid in counters.read(report).function_pids}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        return killed

    def alive(self) -> dict[str, bool]:
        """Each process and whether it runs."""
        return {name: process.poll() is None for name, process in self._running.items()}

    def counters(self) -> dict[str, counters.Counters]:
        """What each event source has counted so far."""
        return {
            report.name.removesuffix(REPORT): counters.read(report)
            for one in self._commands.values()
            for report in one.reports
        }

    def wait_ready(self, limit_s: float = READY_LIMIT_S) -> None:
        """Returns when the API listens and every source has its partitions. Raises RuntimeError."""
        deadline = time.monotonic() + limit_s
        waiting = set(self._commands)
        while waiting:
            dead = sorted(name for name, alive in self.alive().items() if not alive)
            if dead:
                raise RuntimeError(f"ended early: {', '.join(dead)}; see {self.log_dir}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready within {limit_s:.0f} s: {', '.join(sorted(waiting))}")
            waiting = {name for name in waiting if not self._ready(self._commands[name])}
            time.sleep(0.02)

    def _ready(self, command: Command) -> bool:
        if command.sources:
            return all(self._joined(source) for source in command.sources)
        if command.module != FRONT:
            return True
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _joined(self, source: SourceMapping) -> bool:
        """Whether the members of the group share all partitions, each with its part."""
        shares = [
            len(counters.read(report).partitions)
            for one in self._commands.values()
            for mapping, report in zip(one.sources, one.reports, strict=True)
            if mapping.group == source.group
        ]
        partitions = next((topic.partitions for topic in wiring.TOPICS if topic.name == source.topic), 1)
        return sum(shares) >= partitions and min(shares) >= partitions // len(shares)

    def _chosen(self, functions: Collection[str] | None) -> list[wiring.Function]:
        known = {function.name for function in self._functions}
        unknown = set(functions or ()) - known
        if unknown:
            raise ValueError(f"unknown functions: {', '.join(sorted(unknown))}")
        return [f for f in self._functions if functions is None or f.name in functions]

    def _launch(self, command: Command) -> None:
        if command.module == FRONT and not is_free(self._port):
            raise RuntimeError(f"port {self._port} is taken")
        for report in command.reports:
            report.unlink(missing_ok=True)
        log = self.log_dir / f"{command.name}.runner.log"
        self._running[command.name] = processes.start(command.module, [command.argument], self._environment, log)

    def _resolve(self, name: str) -> list[str]:
        found = [each for each, command in self._commands.items() if name == each or name in _owners(command)]
        if not found:
            raise ValueError(f"no process runs {name}; there are {', '.join(self._commands)}")
        return found

    def _commands_of(self, function: wiring.Function) -> list[Command]:
        commands = [self._front(function)] if function.http else []
        if function.sources:
            commands += [self._sources(function, member) for member in range(self._members.get(function.name, 1))]
        return commands

    def _front(self, function: wiring.Function) -> Command:
        front = http.Front(
            function=function.name,
            target=self._target(function),
            port=self._port,
            workers=self._api_workers,
            timeout_s=function.timeout_s,
            memory_mb=function.memory_mb,
            log=self._log(function),
        )
        return Command(function.name, (function.name,), FRONT, front.dump())

    def _sources(self, function: wiring.Function, member: int) -> Command:
        mappings = tuple(self._mapping(function, source) for source in function.sources)
        suffix = f"#{member}" if member else ""
        reports = tuple(self.log_dir / f"{mapping.group}{suffix}{REPORT}" for mapping in mappings)
        task = run_source.Task(
            mappings=mappings,
            target=self._target(function),
            timeout_s=function.timeout_s,
            memory_mb=function.memory_mb,
            member=member,
            scale=self.time_scale,
            session_s=SESSION_S,
            log=self._log(function),
            reports=tuple(str(report) for report in reports),
        )
        name = mappings[0].group if len(mappings) == 1 else f"{function.name}.*"
        return Command(f"{name}{suffix}", (function.name,), "local.runtime.run_source", task.dump(), mappings, reports)

    def _mapping(self, function: wiring.Function, source: wiring.Source) -> SourceMapping:
        return SourceMapping(
            function=function.name,
            topic=source.topic,
            group=f"{function.name}.{source.topic}",
            batch_size=source.batch_size,
            window_s=source.window_s,
            partial_batch=source.partial_batch,
            concurrency=self._concurrency,
        )

    def _rate(self, function: wiring.Function) -> schedule.Rate:
        every_s = float(function.every_s or schedule.DAY_S)
        daily = function.daily_at
        first_s = every_s if daily is None else schedule.to_the_hour(daily, datetime.now(UTC))
        return schedule.Rate(
            function=function.name,
            target=self._target(function),
            first_s=first_s / self.time_scale,
            every_s=every_s / self.time_scale,
            timeout_s=function.timeout_s,
            memory_mb=function.memory_mb,
            log=self._log(function),
        )

    def _target(self, function: wiring.Function) -> str:
        return f"{self._package}.{function.name}.handler:handler"

    def _log(self, function: wiring.Function) -> str:
        return str(self.log_dir / f"{function.name}.log")


def _owners(command: Command) -> tuple[str, ...]:
    """The functions whose name stands for this process; the schedules belong to nobody."""
    return () if command.name == SCHEDULES else command.functions
