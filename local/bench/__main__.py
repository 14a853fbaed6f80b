"""`make bench`: every figure beside a bare baseline of the same run; the table, and build/bench.json."""

import sys

from rich.console import Console

from local.bench import imports, read, rebuild, webhook
from local.bench.parts import folder, new_database, parts
from local.bench.rows import table, write
from local.home import ROOT


def main() -> int:
    """The exit code: 1 when a row does not hold."""
    console = Console()
    with folder() as here, parts(here) as (kafka, environment):
        console.print("reading one deployment in the handler")
        found = read.measure(environment["STOA_DATABASE_URL"])
        found += rebuild.measure(console, here, new_database(environment["STOA_DATABASE_URL"]))
        found += webhook.measure(console, here, kafka, environment)
    found += imports.measure(console)
    console.print(table(found))
    target = ROOT / "build" / "bench.json"
    write(found, target)
    console.print(f"written to {target.relative_to(ROOT)}")
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
