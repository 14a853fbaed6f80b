"""Jars by Maven, each compared with the committed SHA-256 list: those of the broker, and of a real OpenSearch.

`python -m local.parts.jars kafka|opensearch FOLDER`; with `--record` the list is written instead of compared.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.parts.kafka import record_classes
from local.parts.process import DiedEarly

HERE = Path(__file__).resolve().parents[1]
POM = HERE / "pom.xml"


class JarsRefused(RuntimeError):
    """Java or Maven is missing, or a downloaded jar is not the one we pinned."""


@dataclass(frozen=True)
class Jars:
    """What a program needs: `pom` names it to Maven, `list` has a digest and a name per line."""

    program: str
    size: str
    pom: Path
    list: Path

    def pinned(self) -> dict[str, str]:
        lines = self.list.read_text().splitlines() if self.list.exists() else []
        return {name: digest for digest, name in (line.split() for line in lines)}


ALL = {
    "kafka": Jars("Apache Kafka", "45 to 70 MB", POM, HERE / "kafka.sha256"),
    "opensearch": Jars("OpenSearch", "51 MB", HERE / "opensearch-pom.xml", HERE / "opensearch.sha256"),
}


def ensure_jars(wanted: Jars, folder: Path, say: Callable[[str], None]) -> None:
    """Downloads what is missing. Raises JarsRefused with what to do."""
    if _hashes(folder) == wanted.pinned():
        return
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise JarsRefused(f"{program} is not on PATH: install Java 17 or newer and Maven")
    say(f"==> downloading {wanted.program} by Maven ({wanted.size}, once)")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-B", "-q", "-f", str(wanted.pom), "dependency:copy-dependencies"]
    if subprocess.run([*command, f"-DoutputDirectory={folder.resolve()}"]).returncode != 0:
        raise JarsRefused(f"Maven could not fetch {wanted.program}: see its message above")
    found, pinned = _hashes(folder), wanted.pinned()
    if found != pinned:
        wrong = sorted({name for name, _ in set(found.items()) ^ set(pinned.items())})
        raise JarsRefused(f"jars differ from local/{wanted.list.name}: {', '.join(wrong)}")


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.jar"))}


def main(arguments: list[str]) -> int:
    wanted, folder = ALL[arguments[0]], Path(arguments[1])
    if "--record" in arguments:
        wanted.list.write_text("".join(f"{digest}  {name}\n" for name, digest in _hashes(folder).items()))
        return 0
    try:
        ensure_jars(wanted, folder, print)
        if wanted is ALL["kafka"]:
            print("==> recording what Kafka loads, so that it starts in half the time (10 s, once)")
            record_classes(folder)
    except (JarsRefused, DiedEarly) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
