"""`make bench`: every figure beside a bare baseline of the same run; the table, and build/bench.json."""

import sys

from rich.console import Console

from local.bench import imports, webhook
from local.bench.rows import table, write
from local.home import ROOT


def main() -> int:
    """The exit code: 1 when a row does not hold."""
    console = Console()
    found = [*webhook.measure(console), *imports.measure(console)]
    console.print(table(found))
    target = ROOT / "build" / "bench.json"
    write(found, target)
    console.print(f"written to {target.relative_to(ROOT)}")
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
