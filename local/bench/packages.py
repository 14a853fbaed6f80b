"""`make package`: what Lambda gets, as it was built; the size of each function, and what its cold import costs.

Fresh bare interpreters of the functions' Python import each handler, and its baseline, from the built packages with
the bytecode that is in them. The layer of third-party packages is the one for the processor of this machine, since that
for arm64 holds code that no other runs. Beside a time stands how fast this machine is; it is not reckoned into it.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from cdk import packaging
from cdk.packaging import PACKAGES, Architecture, PackagingError
from cdk.wiring import FUNCTIONS, Function
from local.bench.imports import Place, cold_import
from local.bench.rows import Row, table

PROCESSES = 7
OF_MACHINES: Mapping[str, Architecture] = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
ROUNDS = 5_000_000
LOOP = f"""\
import time
begun = time.process_time()
for _ in range({ROUNDS}): pass
print((time.process_time() - begun) * 1000)
"""


def layers(python: str, machine: str) -> tuple[Path, ...]:
    """The built layers, in the order in which Lambda looks into them. Raises PackagingError."""
    if machine not in OF_MACHINES:
        raise PackagingError(f"Lambda has no processor like this one, {machine}: nothing built for it runs here")
    needed = (packaging.dependencies(OF_MACHINES[machine]), packaging.platform())
    return tuple(package.build(PACKAGES, python) / "python" for package in needed)


def from_its_package(function: Function, shared: tuple[Path, ...], python: str, processes: int) -> Row:
    """Raises PackagingError. Nothing is compiled on the way (-B): what was not, costs what it would on Lambda."""
    own = packaging.function(function.name).build(PACKAGES, python)
    place = Place(python, [str(path) for path in (own, *shared)], ("-I", "-S", "-B"))
    found = cold_import(function, place, processes)
    return replace(found, name=f"{function.name}, {packaging.size(own) / 1e3:.1f} kB")


def speed(python: str) -> str:
    """In one line, what may explain a time; not what another machine would need."""
    command = [python, "-I", "-S", "-c", LOOP]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)]
    loop_ms = statistics.median(map(float, said))
    load = os.getloadavg()[0]
    return (
        f"This machine: {os.cpu_count()} x {platform.machine()}, load {load:.1f}, Python {platform_of(python)};"
        f" {ROUNDS:,} rounds of an empty loop take {loop_ms:.0f} ms of CPU. Only ratios say something of another one."
    )


def platform_of(python: str) -> str:
    command = [python, "-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Prints, and judges nobody: an absolute bar on a slow machine stops no build. Exits with a sentence when something
    is missing."""
    options = argparse.ArgumentParser(prog="python -m local.bench.packages", description=__doc__)
    options.add_argument("--processes", type=int, default=PROCESSES, help="for each median")
    given, console = options.parse_args(), Console(width=120)
    try:
        python = packaging.interpreter()
        shared = layers(python, platform.machine())
        console.print(f"cold import of each function from {PACKAGES.name}, {given.processes} times in turns")
        found = [from_its_package(function, shared, python, given.processes) for function in FUNCTIONS]
    except PackagingError as error:
        sys.exit(str(error))
    console.print(table(found))
    console.print(speed(python), highlight=False)
    missed = [one.name.partition(",")[0] for one in found if not one.holds]
    console.print(f"Within its bar: {len(found) - len(missed)} of {len(found)}. Not: {', '.join(missed) or 'none'}.")


if __name__ == "__main__":
    main()
