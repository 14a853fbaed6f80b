"""`make bench`: every figure beside a bare baseline of the same run; the table, and build/bench.json.

`python -m local.bench launch page` runs only these families; without names all of them but the soak.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from local.bench import (
    audit,
    consumers,
    conversion,
    imports,
    launch,
    memory,
    outage,
    page,
    read,
    rebuild,
    search,
    soak,
    webhook,
)
from local.bench.parts import folder, parts
from local.bench.rows import Row, table, write
from local.home import ROOT

LONG = ("soak",)
TARGET = ROOT / "build" / "bench.json"

Family = Callable[[], list[Row]]


def families(console: Console, here: Path, given: argparse.Namespace) -> dict[str, Family]:
    """What can be measured, by name, in the order of a whole run."""
    return {
        "read": partial(_read, console, here),
        "search": partial(_search, console, here),
        "webhook": partial(_webhook, console, here),
        "imports": partial(imports.measure, console),
        "launch": partial(launch.measure, console, here),
        "consumers": partial(consumers.measure, console, here),
        "page": partial(page.measure, console, here),
        "conversion": partial(conversion.measure, console),
        "memory": partial(memory.measure, console, here, given.invocations),
        "rebuild": partial(_rebuild, console, here),
        "audit": partial(audit.measure, console, here / "audit"),
        "outage": partial(outage.measure, console, here, given.requests),
        "soak": partial(soak.measure, console, here, given.minutes, given.per_second),
    }


def _read(console: Console, here: Path) -> list[Row]:
    console.print("reading one deployment in the handler")
    with parts(here / "read") as (_, environment):
        return read.measure(environment["STOA_DATABASE_URL"])


def _search(console: Console, here: Path) -> list[Row]:
    console.print("searching 10,000 APIs in the handler")
    with parts(here / "search") as (_, environment):
        return search.measure(environment["STOA_DATABASE_URL"])


def _webhook(console: Console, here: Path) -> list[Row]:
    with parts(here / "webhook") as (kafka, environment):
        return webhook.measure(console, here / "webhook", kafka, environment)


def _rebuild(console: Console, here: Path) -> list[Row]:
    with parts(here / "rebuild") as (_, environment):
        return rebuild.measure(console, here / "rebuild", environment["STOA_DATABASE_URL"])


def _at_least(least: int, given: str) -> int:
    number = int(given)
    if number < least:
        raise argparse.ArgumentTypeError(f"{given} is less than {least}")
    return number


def options() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m local.bench", description=__doc__)
    made.add_argument("names", nargs="*", metavar="family", help="what to measure; default: all but the soak")
    made.add_argument(
        "--requests", type=partial(_at_least, 100), default=outage.REQUESTS, help="that wait during the outage"
    )
    made.add_argument(
        "--invocations",
        type=partial(_at_least, 10),
        default=memory.INVOCATIONS,
        help="of each function, for its memory",
    )
    made.add_argument("--minutes", type=partial(_at_least, 1), default=soak.MINUTES, help="of the soak")
    made.add_argument(
        "--per-second",
        type=partial(_at_least, 1),
        default=webhook.PER_S,
        help="webhooks of the soak; default: %(default)s",
    )
    return made


def main() -> int:
    """The exit code: 1 when a row does not hold, 2 for an unknown name."""
    console, parser = Console(), options()
    given, begun, found = parser.parse_args(), time.monotonic(), list[Row]()
    with folder() as here:
        known = families(console, here, given)
        if unknown := set(given.names) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        for name in given.names or [name for name in known if name not in LONG]:
            console.rule(name)
            since = time.monotonic()
            found += known[name]()
            write(found, TARGET)  # at once: a later family that fails takes nothing with it
            console.print(f"{name} took {time.monotonic() - since:.0f} s", highlight=False)
    console.print(table(found))
    console.print(f"{time.monotonic() - begun:.0f} s in all; written to {TARGET.relative_to(ROOT)}", highlight=False)
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
