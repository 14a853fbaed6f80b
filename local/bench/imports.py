"""What the first import of each function costs, beside that of the third-party packages it cannot do without.

CPU time of the import statements alone, in fresh processes with what Lambda has on its path; bytecode is compiled
before. tests/bench/imports/<function>.txt holds the packages.
"""

import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console

from cdk.wiring import FUNCTIONS
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


def import_ms(modules: Sequence[str]) -> float:
    """CPU milliseconds of importing these, in this order, in a process of their own."""
    command = [sys.executable, "-I", "-S", "-c", MEASURE, " ".join(modules), *PATHS]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "build").stdout)


def measure(console: Console) -> list[Row]:
    found = []
    for function in FUNCTIONS:
        console.print(f"importing {function.name} {PROCESSES} times, and what it needs", highlight=False)
        mine, bare = [f"functions.{function.name}.handler"], (LISTS / f"{function.name}.txt").read_text().split()
        import_ms(mine)  # compiles
        import_ms(bare)
        ours, baseline = [], []
        for _ in range(PROCESSES):
            baseline.append(import_ms(bare))
            ours.append(import_ms(mine))
        found.append(
            row(
                f"cold import, {function.name}",
                ours,
                baseline,
                at_most=API_MS if function.http else None,
                at_most_ratio=API_RATIO if function.http else CONSUMER_RATIO,
            )
        )
    return found
