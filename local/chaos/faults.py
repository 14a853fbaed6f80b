"""How each kind of fault is done, and healed again: one context manager per kind."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import requests

from local.chaos import again, around
from local.chaos.plan import Fault
from local.parts.process import DiedEarly
from local.runtime import clock_shift
from local.runtime.platform import SCHEDULES, Platform
from local.stack import Stack

# of a clock: seconds of real time, see OPTIONS in __main__.py for what they are on the platform's own scale
JUMPS_S = (-120.0, -45.0, -10.0, 0.0, 10.0, 45.0, 120.0)
STARTS = 3
INSIST_S = 60.0
SOURCES = ("git_pushes_to_deploy_requests", "deploy_requests_to_awx", "deploy_results_to_status")
ANSWERS = (500, 502, 503, 504, 429)

Broken = Callable[[Stack, random.Random], AbstractContextManager[str]]


@contextmanager
def broken(stack: Stack, fault: Fault) -> Iterator[str]:
    """Breaks it at the begin and heals it at the end; gives what exactly was done."""
    with KINDS[fault.kind.name](stack, random.Random(fault.draw)) as said:
        yield said


def revive(stack: Stack) -> list[str]:
    """Starts again the runners that ended by themselves, as AWS does with its pollers; returns which."""
    platform = _platform(stack)
    dead = [name for name, alive in platform.alive().items() if not alive]
    for name in dead:
        platform.restart(name)
    return dead


@contextmanager
def _emulator_ended(stack: Stack, name: str, *, kill: bool) -> Iterator[str]:
    child = stack.emulators[name]
    if kill:
        child.kill()
    else:
        child.stop()
    with _started_again(lambda: stack.start_emulator(name)):
        yield ""


@contextmanager
def _gitlab_killed(stack: Stack, _: random.Random) -> Iterator[str]:
    with _emulator_ended(stack, "gitlab", kill=True):
        yield ""
    hooks_rest_shortly(stack)


def hooks_rest_shortly(stack: Stack) -> None:
    """A hook that failed rests a minute, on the platform's own scale; GitLab forgets that when it starts again."""
    scale = {"hook_pause_scale": 1 / stack.options.time_scale}
    url = f"{stack.url('gitlab')}/_emulator/variants"
    _insist(lambda: requests.put(url, json=scale, timeout=5).raise_for_status())


@contextmanager
def _started_again(start: Callable[[], object]) -> Iterator[None]:
    """On a busy machine a part may not come up in time at first."""
    try:
        yield
    finally:
        for left in reversed(range(STARTS)):
            try:
                start()
                break
            except DiedEarly:
                if not left:
                    raise


@contextmanager
def _frozen(pids: Sequence[int]) -> Iterator[str]:
    """Hangs without an end, its connections open."""
    with ExitStack() as thaw:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                thaw.callback(_go_on, pid)
        yield f"{len(pids)} processes"


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _with_children(pid: int | None) -> list[int]:
    return [pid, *_children(pid)] if pid is not None else []


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


@contextmanager
def _faulty(stack: Stack, name: str, **settings: object) -> Iterator[str]:
    _insist(lambda: stack.fault(name, **settings))
    try:
        yield " ".join(f"{key}={value}" for key, value in settings.items() if key != "mode")
    finally:
        _insist(lambda: stack.fault(name, mode="ok"))


@contextmanager
def _switched(stack: Stack, name: str, what: str, mode: str) -> Iterator[str]:
    """How an emulator treats the messages that it sends."""
    _put(stack, name, what, mode)
    try:
        yield ""
    finally:
        _put(stack, name, what, "normal")


def _put(stack: Stack, name: str, what: str, mode: str) -> None:
    url = f"{stack.url(name)}/_emulator/{what}"
    _insist(lambda: requests.put(url, json={"mode": mode}, timeout=5).raise_for_status())


def _insist(control: Callable[[], object]) -> None:
    """The emulator may be down or frozen by another fault at this moment."""
    deadline = time.monotonic() + INSIST_S
    while True:
        try:
            control()
            return
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def _held(stack: Stack, _: random.Random) -> Iterator[str]:
    with _switched(stack, "gitlab", "deliveries", "hold") as said:
        yield said
    url = f"{stack.url('gitlab')}/_emulator/deliveries/release"
    _insist(lambda: requests.post(url, json={"backwards": True}, timeout=5).raise_for_status())


@contextmanager
def _kafka_killed(stack: Stack, _: random.Random) -> Iterator[str]:
    stack.kafka.kill()
    with _started_again(stack.kafka.start):
        yield ""


@contextmanager
def _postgresql_killed(stack: Stack, _: random.Random) -> Iterator[str]:
    stack.postgres.kill()
    with _started_again(stack.postgres.start):
        yield ""


@contextmanager
def _functions_killed(stack: Stack, draw: random.Random) -> Iterator[str]:
    """All processes of one function, or one of them; their runner starts new ones."""
    platform = _platform(stack)
    name = draw.choice(platform.names)
    processes = _children(platform.pid(name))
    chosen = processes if draw.random() < 0.5 else draw.sample(processes, min(1, len(processes)))
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    yield f"{name}: {len(chosen)} of {len(processes)}"


@contextmanager
def _ended(stack: Stack, name: str) -> Iterator[str]:
    platform = _platform(stack)
    platform.kill(name)
    try:
        yield name
    finally:
        platform.restart(name)


@contextmanager
def _member_added(stack: Stack, draw: random.Random) -> Iterator[str]:
    """Comes, takes partitions from the others, and goes without a word: twice the group is dealt anew."""
    platform = _platform(stack)
    name = platform.add_member(draw.choice(SOURCES), draw.choice((1, 2)))
    try:
        yield name
    finally:
        if draw.random() < 0.5:
            platform.kill(name)
        platform.remove(name)


@contextmanager
def _clocks_jump(stack: Stack, draw: random.Random) -> Iterator[str]:
    file = Path(stack.options.environment[clock_shift.FILE])
    shifts = [draw.choice(JUMPS_S) for _ in range(5)]
    clock_shift.write(file, shifts)
    try:
        yield f"by {', '.join(f'{shift:+.0f}' for shift in shifts)} s"
    finally:
        clock_shift.write(file, [])


def _platform(stack: Stack) -> Platform:
    if stack.platform is None:
        raise RuntimeError("the platform was not started")
    return stack.platform


KINDS: dict[str, Broken] = {
    "awx killed": lambda stack, _: _emulator_ended(stack, "awx", kill=True),
    "awx stopped": lambda stack, _: _emulator_ended(stack, "awx", kill=False),
    "awx frozen": lambda stack, _: _frozen(_with_children(stack.emulators["awx"].pid)),
    "awx slow": lambda stack, draw: _faulty(stack, "awx", mode="slow", delay_s=round(draw.uniform(0.3, 3.0), 1)),
    "awx failing": lambda stack, draw: _faulty(stack, "awx", mode="fail", status=draw.choice((*ANSWERS, 401, 403))),
    "awx launches, answer cut": lambda stack, _: _faulty(stack, "awx", mode="drop", path="POST .*/launch/$"),
    "awx notices lost": lambda stack, _: _switched(stack, "awx", "notifications", "lose"),
    "awx notices doubled": lambda stack, _: _switched(stack, "awx", "notifications", "duplicate"),
    "awx notices sent again": again.notices,
    "gateway killed": lambda stack, _: _emulator_ended(stack, "gateway", kill=True),
    "gateway frozen": lambda stack, _: _frozen(_with_children(stack.emulators["gateway"].pid)),
    "gateway down": lambda stack, _: _faulty(stack, "gateway", mode="down"),
    "gateway slow": lambda stack, draw: _faulty(
        stack, "gateway", mode="slow", delay_s=round(draw.uniform(0.05, 0.5), 2)
    ),
    "gateway failing": lambda stack, draw: _faulty(stack, "gateway", mode="fail", status=draw.choice((500, 503, 504))),
    "gateway works, answer cut": lambda stack, _: _faulty(stack, "gateway", mode="drop", path="^(PUT|POST|DELETE) "),
    "gitlab killed": _gitlab_killed,
    "gitlab api down": lambda stack, draw: _faulty(
        stack, "gitlab", mode="fail", status=draw.choice(ANSWERS), path=" /api/v4/"
    ),
    "gitlab api slow": lambda stack, draw: _faulty(
        stack, "gitlab", mode="slow", delay_s=round(draw.uniform(0.2, 2.0), 1), path=" /api/v4/"
    ),
    "webhooks lost": lambda stack, _: _switched(stack, "gitlab", "deliveries", "lose"),
    "webhooks doubled": lambda stack, _: _switched(stack, "gitlab", "deliveries", "duplicate"),
    "webhooks held, then backwards": _held,
    "webhooks sent again": again.webhooks,
    "kafka killed": _kafka_killed,
    "kafka frozen": lambda stack, _: _frozen(_with_children(stack.kafka.pid)),
    "postgresql killed": _postgresql_killed,
    # the postmaster first, which else would start others meanwhile
    "postgresql frozen": lambda stack, _: _frozen(_with_children(stack.postgres.pid)),
    "function processes killed": _functions_killed,
    "runner killed": lambda stack, draw: _ended(stack, draw.choice(SOURCES)),
    "api killed": lambda stack, _: _ended(stack, "api"),
    "schedules killed": lambda stack, _: _ended(stack, SCHEDULES),
    "member added": _member_added,
    "records sent again": again.records,
    "clocks jump": _clocks_jump,
    "opensearch killed": around.opensearch_killed,
}
