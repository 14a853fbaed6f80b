"""Wrong clocks, for tests: a function's own time is moved by seconds that a file says while it runs.

The file holds a JSON list of seconds; each process takes one of them by its process id, so that two processes of one
function may disagree. An empty list, or no file, is the right time. Nothing of the product knows about it.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

FILE = "RUNTIME_CLOCK_SHIFT_FILE"


def shift_s(file: Path, pid: int) -> float:
    """The seconds by which the clock of this process is wrong now."""
    try:
        shifts = json.loads(file.read_text())
    except FileNotFoundError:
        return 0.0
    return float(shifts[pid % len(shifts)]) if shifts else 0.0


def install(file: Path) -> None:
    """Before the handler is imported, which takes `now` from there by name."""
    from stoa.kernel import clock  # noqa: PLC0415  the runtime runs functions that know no stoa, too

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=shift_s(file, os.getpid()))

    clock.now = now


def write(file: Path, shifts: list[float]) -> None:
    """Replaces the file as a whole, so that no process reads half of it."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(shifts))
    os.replace(draft, file)
