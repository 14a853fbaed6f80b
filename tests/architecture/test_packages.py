"""What Lambda gets: each package is complete, and its hash says what it is made of and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cdk import packaging
from cdk.packaging import Package, PackagingError, dependencies, function, interpreter, platform
from cdk.wiring import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
DEPENDENCIES = ROOT / "build" / "layer"  # wheels of this machine: those of Lambda may be of another processor
IMPORT = """\
import sys, time
name, *sys.path[:0] = sys.argv[1:]
begun = time.process_time()
handler = __import__(f"functions.{name}.handler", fromlist=["handler"])
assert callable(handler.handler)
print(round((time.process_time() - begun) * 1000))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert DEPENDENCIES.exists(), "run `make build/layer/.ready` first"
    return platform().build(tmp_path_factory.mktemp("shared"), sys.executable) / "python"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with the same sources, to change."""
    for folder in ("cdk", "functions", "layers", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(packaging, "ROOT", tmp_path)
    return tmp_path


def digests() -> dict[str, str]:
    return {package.name: package.digest for package in packaging.packages("arm64")}


@pytest.mark.parametrize("name", [f.name for f in FUNCTIONS])
def test_a_handler_imports_from_its_packages_and_nothing_else(name: str, tmp_path: Path, shared: Path) -> None:
    """-I -S: no site-packages, no working folder. What it takes is printed: `pytest -s`."""
    own = function(name).build(tmp_path, sys.executable)
    command = [sys.executable, "-I", "-S", "-c", IMPORT, name, str(own), str(DEPENDENCIES), str(shared)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    print(f"{name}: {done.stdout.strip()} ms of CPU to import")  # noqa: T201


def test_a_change_in_a_functions_folder_changes_its_package_only(copy: Path) -> None:
    before = digests()
    assert before == {package.name: package.digest for package in packaging.packages("arm64")}
    (copy / "functions/awx_reconciler/handler.py").open("a").write("\n# changed")
    (copy / "functions/api/__pycache__").mkdir()
    (copy / "functions/api/__pycache__/app.cpython-313.pyc").write_bytes(b"of somebody's run")
    after = digests()
    assert [name for name in before if before[name] != after[name]] == ["awx_reconciler"]


def test_a_name_and_the_processor_are_part_of_the_hash(copy: Path) -> None:
    before = function("api").digest
    (copy / "functions/api/edge.py").rename(copy / "functions/api/edges.py")
    assert function("api").digest != before
    assert dependencies("arm64").digest != dependencies("x86_64").digest


def test_the_hash_is_the_same_before_and_after_a_build(tmp_path: Path) -> None:
    package = function("outbox_relay")
    before = package.digest
    assert package.build(tmp_path, sys.executable).name == f"outbox_relay-{before[:16]}"
    assert package.digest == before


def test_a_build_that_died_is_not_taken_for_one(tmp_path: Path) -> None:
    package = Package("broken", ROOT, "/opt", ((ROOT / "README.md", "python/no_python.py"),))
    with pytest.raises(PackagingError, match="SyntaxError"):
        package.build(tmp_path, sys.executable)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"{package.folder}.unfinished"]


def test_bytecode_is_believed_without_its_source_and_names_the_place_on_lambda(tmp_path: Path) -> None:
    built = function("outbox_relay").build(tmp_path, sys.executable)
    (compiled,) = (built / "functions/outbox_relay/__pycache__").glob("handler.*.pyc")
    assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00"  # PEP 552: by hash, unchecked
    assert b"/var/task/functions/outbox_relay/handler.py" in compiled.read_bytes()
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_another_python_than_lambdas_does_not_compile_for_it() -> None:
    with pytest.raises(PackagingError, match="Python 3.13"):
        interpreter(("python-that-is-not-here", "/bin/true"))
