"""Weakest to strongest: the placeholder's default, the root, the environment, the API, the API in the environment."""

from itertools import combinations, pairwise

import pytest

from stoa.kernel.errors import Refused
from stoa.repository.definition import definition

FOLDER = "tenants/tenant-demo/apis/orders"
LEVELS = {
    "inline": None,
    "root": "_defaults.yaml",
    "environment": "environments/dev/config.yaml",
    "api": f"{FOLDER}/environments/_defaults.yaml",
    "api in environment": f"{FOLDER}/environments/dev.yaml",
}
TIMEOUTS = {"inline": 5, "root": 11, "environment": 12, "api": 13, "api in environment": 14}


def set_timeout(files: dict[str, bytes], level: str, value: str | None = None) -> None:
    path = LEVELS[level]
    line = f"  TIMEOUT: {TIMEOUTS[level] if value is None else value}\n"
    if level == "api in environment":
        files[str(path)] += line.encode()
    elif path:
        files[path] = f"apiVersion: stoa.cab-i.com/v1\nkind: Defaults\nvariables:\n{line}".encode()


def timeout(files: dict[str, bytes]) -> int:
    return definition(files, "tenant-demo", "orders", "dev").api.spec.backend.timeout


@pytest.mark.parametrize(("weaker", "stronger"), list(pairwise(LEVELS)))
def test_the_stronger_of_two_neighbours_wins(files: dict[str, bytes], weaker: str, stronger: str) -> None:
    set_timeout(files, weaker)
    assert timeout(files) == TIMEOUTS[weaker]
    set_timeout(files, stronger)
    assert timeout(files) == TIMEOUTS[stronger]


@pytest.mark.parametrize("levels", [c for n in (3, 4, 5) for c in combinations(LEVELS, n)], ids=" < ".join)
def test_the_strongest_of_any_levels_wins(files: dict[str, bytes], levels: tuple[str, ...]) -> None:
    for level in levels:
        set_timeout(files, level)
    assert timeout(files) == TIMEOUTS[levels[-1]]


@pytest.mark.parametrize("level", [name for name in LEVELS if name != "inline"])
def test_a_stronger_level_may_use_what_a_weaker_one_defines(files: dict[str, bytes], level: str) -> None:
    weaker = "environments/dev/config.yaml" if level == "root" else "_defaults.yaml"
    files[weaker] = b"apiVersion: stoa.cab-i.com/v1\nkind: Defaults\nvariables: {SECONDS: 77}\n"
    set_timeout(files, level, "${SECONDS}")
    assert timeout(files) == 77


@pytest.mark.parametrize(
    "path",
    ["environments/prod/config.yaml", f"{FOLDER}/environments/prod.yaml", "tenants/tenant-demo/_defaults.yaml",
     "tenants/tenant-demo/apis/other/environments/_defaults.yaml", "environments/dev/_defaults.yaml"],
)  # fmt: skip
def test_files_of_others_say_nothing_here(files: dict[str, bytes], path: str) -> None:
    files[path] = b"apiVersion: stoa.cab-i.com/v1\nkind: Defaults\nvariables: {TIMEOUT: 99}\n"
    assert timeout(files) == 5


@pytest.mark.parametrize("level", [name for name in LEVELS if name != "inline"])
def test_a_fault_names_the_file_of_its_level(files: dict[str, bytes], level: str) -> None:
    set_timeout(files, level, "${GONE}")
    with pytest.raises(Refused) as caught:
        definition(files, "tenant-demo", "orders", "dev")
    path = str(LEVELS[level])
    line = files[path].decode().splitlines().index("  TIMEOUT: ${GONE}") + 1
    assert (caught.value.code, caught.value.file, caught.value.line) == ("VARIABLE_MISSING", path, line)


@pytest.mark.parametrize("level", [name for name in LEVELS if name != "inline"])
def test_a_bad_variable_name_is_refused_at_every_level(files: dict[str, bytes], level: str) -> None:
    set_timeout(files, level)
    path = str(LEVELS[level])
    files[path] = files[path].replace(b"TIMEOUT", b"timeOut")
    with pytest.raises(Refused) as caught:
        definition(files, "tenant-demo", "orders", "dev")
    error = caught.value
    assert (error.code, error.file, error.field) == ("VARIABLE_INVALID", path, "variables.timeOut")
    assert error.line is not None
    assert b"timeOut" in files[path].splitlines()[error.line - 1]
