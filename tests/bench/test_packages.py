"""What `make package` prints beside the sizes: what a function costs to import out of its package, and nothing else."""

import sys
from dataclasses import replace
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from cdk import packaging
from cdk.packaging import PackagingError
from cdk.wiring import FUNCTIONS
from local.bench import imports, packages
from local.bench.rows import Row

RELAY = next(function for function in FUNCTIONS if function.name == "outbox_relay")
BUSY = "import time\nbegun = time.process_time()\nwhile time.process_time() - begun < {}: pass\n"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root whose relay imports what a layer has, which is all of its baseline too."""
    monkeypatch.setattr(packaging, "ROOT", tmp_path)
    monkeypatch.setattr(packages, "PACKAGES", tmp_path / "packages")
    monkeypatch.setattr(imports, "LISTS", tmp_path)
    handler = tmp_path / "functions" / "outbox_relay" / "handler.py"
    handler.parent.mkdir(parents=True)
    (tmp_path / "functions" / "__init__.py").touch()
    handler.write_text("import needed")
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "needed.py").write_text(BUSY.format(0.1))
    (tmp_path / "outbox_relay.txt").write_text("needed")
    return tmp_path


def measured(root: Path, *, http: bool = False) -> Row:
    return packages.from_its_package(replace(RELAY, http=http), (root / "layer",), sys.executable, 3)


def test_a_function_that_takes_more_than_its_packages_does_not_hold(found: Path) -> None:
    just = measured(found)
    assert (just.name, just.bar, just.holds) == ("outbox_relay, 0.3 kB", "<= 1.2x", True)
    assert just.value >= 100
    (found / "functions/outbox_relay/handler.py").write_text("import needed\n" + BUSY.format(0.1))
    more = measured(found)
    assert (more.holds, more.ratio is not None and more.ratio > 1.5) == (False, True)
    assert (measured(found, http=True).bar, len(list((found / "packages").iterdir()))) == ("< 450 ms, <= 1.35x", 2)


def test_nothing_but_the_packages_is_on_the_path_and_nothing_is_written_into_them(found: Path) -> None:
    measured(found)
    assert list((found / "layer").iterdir()) == [found / "layer" / "needed.py"]
    (found / "functions/outbox_relay/handler.py").write_text("import needed, rich")
    with pytest.raises(CalledProcessError):
        measured(found)


def test_a_processor_that_lambda_has_not_builds_nothing() -> None:
    with pytest.raises(PackagingError, match="riscv64"):
        packages.layers(sys.executable, "riscv64")


def test_the_speed_of_the_machine_is_said_in_one_line() -> None:
    said = packages.speed(sys.executable)
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in said
    assert "\n" not in said
