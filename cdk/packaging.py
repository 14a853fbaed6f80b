"""What Lambda gets: a layer of third-party packages, a layer with our own package, one asset for each function.

Built without Docker: wheels of the functions' platform by uv, bytecode by the interpreter that Lambda runs. /opt and
/var/task are read-only there, so that what is not compiled here is compiled again at every cold start.
`python -m cdk.packaging` builds all into build/packages and prints the sizes.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from cdk.wiring import FUNCTIONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "build" / "packages"
PYTHON = "3.13"  # of the functions: its minor version is in the bytecode
FORMAT = "2"  # changes when the same sources are packed in another way

Architecture = Literal["arm64", "x86_64"]
PLATFORMS: dict[Architecture, str] = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}


class PackagingError(Exception):
    """What is missing on this machine, in one sentence."""


@dataclass(frozen=True)
class Package:
    """One asset. `files` are (path below ROOT, path in the asset), `lock` the requirements installed below python/ for
    `architecture`; `source` is the folder that stands for it where nothing is built, `place` where Lambda puts it."""

    name: str
    source: Path
    place: Literal["/opt", "/var/task"]
    files: tuple[tuple[Path, str], ...] = ()
    lock: Path | None = None
    architecture: Architecture | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the asset is made of, whether or not it was built: names, contents, platform."""
        made_of = hashlib.sha256(json.dumps([FORMAT, PYTHON, self.architecture]).encode())
        locked = [(self.lock, "requirements.txt")] if self.lock else []
        for path, name in [*self.files, *locked]:
            made_of.update(json.dumps([name, hashlib.sha256(path.read_bytes()).hexdigest()]).encode())
        return made_of.hexdigest()

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.digest[:16]}"

    def build(self, into: Path, python: str) -> Path:
        """The folder of the asset below `into`; one that is there already is left alone. `python` compiles.

        It gets its name when it is complete, so that a build that died is not taken for one. Raises PackagingError.
        """
        done = into / self.folder
        if done.exists():
            return done
        unfinished = into / f"{self.folder}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        for path, name in self.files:
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, unfinished / name)
        if self.lock and self.architecture:
            install(self.lock, unfinished / "python", self.architecture)
        _compile(python, unfinished, self.place)
        return unfinished.rename(done)


def dependencies(architecture: Architecture) -> Package:
    """The layer of third-party packages."""
    lock = ROOT / "requirements" / "layer.txt"
    return Package("dependencies", ROOT / "requirements", "/opt", lock=lock, architecture=architecture)


def platform() -> Package:
    """The layer with the stoa package."""
    layer = ROOT / "layers" / "shared"
    return Package("platform", layer, "/opt", tuple((path, str(path.relative_to(layer))) for path in _files(layer)))


def function(name: str) -> Package:
    """The code of one function, importable as `functions.<name>.handler`."""
    folder = ROOT / "functions" / name
    files = [ROOT / "functions" / "__init__.py", *_files(folder)]
    return Package(name, folder, "/var/task", tuple((path, str(path.relative_to(ROOT))) for path in files))


def tools(architecture: Architecture) -> Package:
    """The layer of what applies migrations, beside that of third-party packages."""
    lock = ROOT / "requirements" / "migrations.txt"
    return Package("tools", ROOT / "requirements", "/opt", lock=lock, architecture=architecture)


def step(name: str) -> Package:
    """A function that only a deployment runs: `cdk/steps/<name>.py`, which needs nothing of the CDK library."""
    folder = ROOT / "cdk" / "steps"
    files = [ROOT / "cdk" / "__init__.py", folder / "__init__.py", folder / f"{name}.py"]
    return Package(name, folder, "/var/task", tuple((path, str(path.relative_to(ROOT))) for path in files))


def packages(architecture: Architecture) -> tuple[Package, ...]:
    functions = (function(f.name) for f in FUNCTIONS)
    return (dependencies(architecture), tools(architecture), platform(), step("migrate"), *functions)


def install(lock: Path, target: Path, architecture: Architecture) -> None:
    """The locked wheels of Lambda's platform, each with the hash that the lock holds. Raises PackagingError."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise PackagingError("uv is not installed: run `make install`")
    options = ["--python-version", PYTHON, "--python-platform", PLATFORMS[architecture], "--only-binary", ":all:"]
    command = [uv, "pip", "install", "-q", "--no-config", "--python", sys.executable, "--target", str(target)]
    _run([*command, *options, "--require-hashes", "-r", str(lock)])


@cache
def interpreter(candidates: tuple[str, ...] = ()) -> str:
    """The first of `candidates` that is a Python of the functions' version; without them, of that on PATH, the one
    that runs this, and what pyenv has. Looked for once. Raises PackagingError."""
    known = candidates or (f"python{PYTHON}", sys.executable, *_of_pyenv())
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for found in filter(None, map(shutil.which, known)):
        if _said([found, "-I", "-c", ask]) == PYTHON:
            return found
    raise PackagingError(f"bytecode for Lambda takes Python {PYTHON}: put python{PYTHON} on PATH")


def _of_pyenv() -> list[str]:
    """pyenv may have it without its being the chosen one; `python3.13` on PATH is then a script that refuses."""
    pyenv = shutil.which("pyenv")
    version = _said([pyenv, "latest", PYTHON]) if pyenv else ""
    return [f"{_said([pyenv, 'prefix', version])}/bin/python{PYTHON}"] if pyenv and version else []


def _said(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _compile(python: str, folder: Path, place: str) -> None:
    """Bytecode that is believed without a look at its source, whatever time a copy of that has; tracebacks name the
    files as Lambda has them."""
    how = ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", place]
    _run([python, "-I", "-m", "compileall", "-q", *how, str(folder)])


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path for path in found if path.suffix != ".pyc")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingError(f"{Path(command[0]).name} failed:\n{done.stderr.strip() or done.stdout.strip()}")


def size(folder: Path) -> int:
    """Bytes of all its files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _told(built: Iterable[tuple[Package, Path]]) -> str:
    lines = (f"{size(folder) / 1e3:12,.1f} kB  {package.folder}" for package, folder in built)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Exits with a sentence when something is missing."""
    options = argparse.ArgumentParser(prog="cdk.packaging", description=__doc__)
    options.add_argument("--arch", choices=get_args(Architecture), default="arm64")
    architecture: Architecture = options.parse_args().arch
    try:
        python = interpreter()
        built = [(package, package.build(PACKAGES, python)) for package in packages(architecture)]
    except PackagingError as error:
        sys.exit(str(error))
    sys.stdout.write(_told(built))


if __name__ == "__main__":
    main()
