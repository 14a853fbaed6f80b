"""What an event source did so far, in a file that others may read while it runs."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path


@dataclass
class Counters:
    """Numbers of records (as the EventCount metrics of AWS), but `invocations` and the error counts.

    `committed` counts offsets, so gaps of compaction count too. `lag` is the number of offsets that are in
    the partitions of this member and not committed. `function_pids` are the processes that run the function.
    """

    polled: int = 0
    filtered: int = 0
    invoked: int = 0
    failed: int = 0
    dropped: int = 0
    delivered: int = 0
    committed: int = 0
    invocations: int = 0
    polling_errors: int = 0
    commit_errors: int = 0
    delivery_errors: int = 0
    lag: int = 0
    partitions: list[int] = field(default_factory=list)
    function_pids: list[int] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Replaces the file as a whole, so that a reader never sees half of it."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        os.replace(draft, path)


def read(path: Path) -> Counters:
    """The counters that an event source wrote last, of whatever version; all zero before the first time. Raises
    ValueError for another file."""
    try:
        said = json.loads(path.read_text())
        return Counters(**{one.name: said[one.name] for one in fields(Counters) if one.name in said})
    except FileNotFoundError:
        return Counters()
