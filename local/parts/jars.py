"""The broker's jars, by Maven, each compared with the committed SHA-256 list.

`python -m local.parts.jars FOLDER`; with `--record` the list is written instead of compared.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.parts.kafka import record_classes
from local.parts.process import DiedEarly

HERE = Path(__file__).resolve().parents[1]
POM = HERE / "pom.xml"
LIST = HERE / "kafka.sha256"


class JarsRefused(RuntimeError):
    """Java or Maven is missing, or a downloaded jar is not the one we pinned."""


def ensure_jars(jars: Path, say: Callable[[str], None]) -> None:
    """Downloads what is missing. Raises JarsRefused with what to do."""
    if _hashes(jars) == _pinned():
        return
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise JarsRefused(f"{program} is not on PATH: install Java 17 or newer and Maven")
    say("==> downloading Apache Kafka by Maven (45 to 70 MB, once)")
    jars.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={jars.resolve()}"]
    if subprocess.run(command).returncode != 0:
        raise JarsRefused("Maven could not fetch the broker: see its message above")
    found, wanted = _hashes(jars), _pinned()
    if found != wanted:
        wrong = sorted(set(found.items()) ^ set(wanted.items()))
        raise JarsRefused(f"jars differ from local/kafka.sha256: {', '.join(sorted({name for name, _ in wrong}))}")


def _hashes(jars: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(jars.glob("*.jar"))}


def _pinned() -> dict[str, str]:
    lines = LIST.read_text().splitlines() if LIST.exists() else []
    return {name: digest for digest, name in (line.split() for line in lines)}


def main(arguments: list[str]) -> int:
    jars = Path(arguments[0])
    if "--record" in arguments:
        LIST.write_text("".join(f"{digest}  {name}\n" for name, digest in _hashes(jars).items()))
        return 0
    try:
        ensure_jars(jars, print)
        print("==> recording what Kafka loads, so that it starts in half the time (10 s, once)")
        record_classes(jars)
    except (JarsRefused, DiedEarly) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
