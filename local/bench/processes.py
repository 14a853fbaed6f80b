"""What the processes below this one use: CPU time and memory, by the part that each one is."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MB = 2**20
PAGE = os.sysconf("SC_PAGE_SIZE")
# the first of these words in a command line names the part; a function's worker has the function's name
PARTS = {
    "kafka.Kafka": "Kafka",
    "postgres": "PostgreSQL",
    "bao": "OpenBao",
    "local.emulators.awx.work": "AWX emulator, runs",
    "local.emulators.awx": "AWX emulator",
    "local.emulators.gitlab": "GitLab emulator",
    "local.emulators.webmethods": "gateway emulator",
    "local.runtime.http": "HTTP front",
    "local.runtime.run_source": "event sources",
    "local.runtime.schedule": "schedules",
    "local.bench": "the bench itself",
}
WORKER = "local.runtime.worker"


@dataclass(frozen=True)
class Process:
    """`cpu_s` includes that of its children which have ended, such as git's."""

    pid: int
    part: str
    cpu_s: float
    rss_mb: float


def below(pid: int | None = None) -> Iterator[Process]:
    """This process and all its descendants that are alive."""
    found = dict(_all())
    children = defaultdict(list)
    for number, fields in found.items():
        children[int(fields[1])].append(number)
    waiting = [pid or os.getpid()]
    while waiting:
        number = waiting.pop()
        waiting += children[number]
        if number in found:
            ticks = sum(int(value) for value in found[number][11:15])
            rss_mb = int(found[number][21]) * PAGE / MB
            yield Process(number, part_of(_command(number)), ticks / TICKS_PER_S, rss_mb)


def _all() -> Iterator[tuple[int, list[str]]]:
    """Each process with the fields of /proc/<pid>/stat from the state on, see proc(5)."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(folder.name), (folder / "stat").read_text().rpartition(")")[2].split()


def _command(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def part_of(command: list[str]) -> str:
    """The name of the part that has this command line."""
    if WORKER in command:
        return command[command.index(WORKER) + 1].split(".")[-2]
    words = [Path(word.split(":")[0]).name if "/" in word or ":" in word else word for word in command]
    return next((part for word, part in PARTS.items() if word in words), "other")


def cpu_by_part() -> Mapping[str, float]:
    """CPU seconds so far."""
    total: dict[str, float] = defaultdict(float)
    for process in below():
        total[process.part] += process.cpu_s
    return total


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[str, float]]:
    """CPU seconds in between, the most expensive part first."""
    found = {part: after[part] - before.get(part, 0.0) for part in after}
    return sorted(((part, s) for part, s in found.items() if s > 0), key=lambda pair: -pair[1])


def profile(console: Console, before: Mapping[str, float], times: int) -> None:
    """Prints the CPU time of each part since then, for each of so many things that were done."""
    for part, seconds in spent(before, cpu_by_part()):
        console.print(f"  {part:<34}{seconds / times * 1000:7.1f} ms CPU each", highlight=False)
