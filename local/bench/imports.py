"""What the first import of each function costs, beside that of the third-party packages it cannot do without.

CPU time of the import statements alone, in fresh processes with what Lambda has on its path; bytecode is compiled
before. tests/bench/imports/<function>.txt holds the packages.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from cdk.wiring import FUNCTIONS, Function
from local.bench.rows import Row, row
from local.home import ROOT

PROCESSES = 20
LISTS = ROOT / "tests" / "bench" / "imports"
PATHS = [str(ROOT / "build" / "layer"), str(ROOT / "layers" / "shared" / "python"), str(ROOT)]
CONSUMER_RATIO, API_RATIO, API_MS = 1.2, 1.35, 450.0
MEASURE = """\
import sys, time
sys.path[:0] = sys.argv[2:]
begun = time.process_time()
for name in sys.argv[1].split(): __import__(name)
print((time.process_time() - begun) * 1000)
"""


@dataclass(frozen=True)
class Place:
    """Where modules come from: an interpreter with its standard library, and these folders. With its `options` nothing
    else is on its path; with -B it keeps no bytecode of what has none."""

    python: str
    paths: Sequence[str]
    options: Sequence[str] = ("-I", "-S")

    def import_ms(self, modules: Sequence[str]) -> float:
        """CPU milliseconds of importing these, in this order, in a process of their own."""
        command = [self.python, *self.options, "-c", MEASURE, " ".join(modules), *self.paths]
        return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "build").stdout)


def cold_import(function: Function, place: Place, processes: int) -> Row:
    """In turns with its baseline, each so many times; beside the bars of ARCHITECTURE.md."""
    mine, bare = [f"functions.{function.name}.handler"], (LISTS / f"{function.name}.txt").read_text().split()
    for modules in (mine, bare):
        place.import_ms(modules)  # compiles, and has the files in memory
    ours, baseline = [], []
    for _ in range(processes):
        baseline.append(place.import_ms(bare))
        ours.append(place.import_ms(mine))
    return row(
        f"cold import, {function.name}",
        ours,
        baseline,
        at_most=API_MS if function.http else None,
        at_most_ratio=API_RATIO if function.http else CONSUMER_RATIO,
    )


def measure(console: Console) -> list[Row]:
    sources, found = Place(sys.executable, PATHS), []
    for function in FUNCTIONS:
        console.print(f"importing {function.name} {PROCESSES} times, and what it needs", highlight=False)
        found.append(cold_import(function, sources, PROCESSES))
    return found
