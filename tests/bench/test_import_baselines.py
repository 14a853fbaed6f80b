"""The baselines of the import benchmark: all third-party modules that a function loads, and no line too many."""

import json
import subprocess
import sys
from functools import cache

import pytest

from cdk.wiring import FUNCTIONS
from local.bench.imports import LISTS, PATHS
from local.bench.rows import at, row

# forwards and backwards, how many third-party modules each name brought; then all of them
LOADED = """\
import json, sys
sys.path[:0] = sys.argv[2:]
def theirs():
    roots = {"stoa", "functions", "__main__"} | sys.stdlib_module_names
    return {name for name in sys.modules if name.split(".")[0] not in roots}
brought = []
for name in sys.argv[1].split():
    before = theirs()
    __import__(name)
    brought.append(len(theirs() - before))
print(json.dumps([brought, sorted(theirs())]))
"""


@cache
def loaded(*names: str) -> tuple[list[int], list[str]]:
    """In a process of its own; most functions need the same packages, which are loaded once for all of them."""
    command = [sys.executable, "-I", "-S", "-c", LOADED, " ".join(names), *PATHS]
    brought, modules = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return brought, modules


@pytest.mark.parametrize("name", [function.name for function in FUNCTIONS])
def test_a_baseline_is_what_the_function_loads_and_none_of_its_lines_can_go(name: str) -> None:
    lines = (LISTS / f"{name}.txt").read_text().split()
    brought, modules = loaded(*lines)
    assert modules == loaded(f"functions.{name}.handler")[1]
    backwards, _ = loaded(*lines[::-1])
    assert 0 not in [*brought, *backwards]


def test_a_row_holds_only_within_each_of_its_bars() -> None:
    assert row("x", [5.0, 1.0, 3.0], [2.0, 2.0, 1.0], at_most=4, at_most_ratio=1.5).holds
    assert not row("x", [5.0, 1.0, 3.0], [2.0], at_most=3).holds
    assert not row("x", [5.0, 1.0, 3.0], [1.0], at_most_ratio=2).holds
    assert not row("x", [1.0], at_most_ratio=2).holds, "without its baseline"
    assert row("x", [1.0], [2.0], at_least_ratio=0.5).holds
    assert not row("x", [1.0], [2.1], at_least_ratio=0.5).holds
    assert not row("x", [1.0], at_least_ratio=0.5).holds, "without its baseline"
    found = row("x", [5.0, 1.0, 3.0], [2.0], at_most=4, at_most_ratio=1.5)
    assert (found.value, found.spread, found.ratio, found.bar) == (3.0, (1.0, 5.0), 1.5, "< 4 ms, <= 1.5x")
    assert at([*range(1, 101)], 99) == 99
