"""A real Keycloak for the second test lane: from Maven, compared with its SHA-256, started on 127.0.0.1 with our realm.

`python -m local.parts.keycloak FOLDER` downloads it.
"""

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import requests

from local.parts.jars import POM, JarsRefused
from local.parts.ports import free_port
from local.parts.process import Child, DiedEarly

VERSION = "26.7.3"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
NAME = f"keycloak-quarkus-dist-{VERSION}.zip"
READY_S = 300.0  # the first start builds itself
# it keeps nothing, and reads ours at every start
SETTINGS = {"KC_DB": "dev-mem", "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1", "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx640m"}


def ensure(folder: Path) -> None:
    """Downloads and unpacks what is missing. Raises JarsRefused with what to do."""
    if home_of(folder).exists():
        return
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise JarsRefused(f"{program} is not on PATH: install Java 17 or newer and Maven")
    folder.mkdir(parents=True, exist_ok=True)
    artefact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
    command = ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy", f"-Dartifact={artefact}"]
    if subprocess.run([*command, f"-DoutputDirectory={folder.resolve()}"]).returncode != 0:
        raise JarsRefused("Maven could not fetch Keycloak: see its message above")
    archive = folder / NAME
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise JarsRefused(f"{archive} is not the one that local/parts/keycloak.py pins")
    unpacked = folder / "unpacking"
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(unpacked)  # noqa: S202  it is the one we pinned
    (unpacked / f"keycloak-{VERSION}").rename(home_of(folder))
    shutil.rmtree(unpacked)
    archive.unlink()


def home_of(folder: Path) -> Path:
    return folder / f"keycloak-{VERSION}"


class Keycloak:
    """`url` is where it will answer, known before it starts; `admin_password` is that of `root` in its master realm."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._home = home_of(folder).resolve()
        self._log = log
        self._port = free_port()
        self._child: Child | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.admin_password = secrets.token_urlsafe(24)

    def start(self, realm: Path, users: Path, environment: Mapping[str, str]) -> None:
        """Imports both files, whose placeholders have their values in `environment`. Raises DiedEarly."""
        given = self._home / "data" / "import"
        shutil.rmtree(given, ignore_errors=True)
        given.mkdir(parents=True)
        # the names say which realm it is, and that the second file adds users to it
        shutil.copy(realm, given / "stoa-realm.json")
        shutil.copy(users, given / "stoa-users-0.json")
        admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": "root", "KC_BOOTSTRAP_ADMIN_PASSWORD": self.admin_password}
        # bash, since an unpacked zip has no executable files
        command = ["bash", str(self._home / "bin" / "kc.sh"), "start-dev", "--import-realm"]
        command += ["--http-host", "127.0.0.1", "--http-port", str(self._port)]
        command += ["--http-management-port", str(free_port())]
        self._child = Child("Keycloak", command, {**os.environ, **SETTINGS, **admin, **environment}, self._log)
        self._child.start()
        self._wait(self._child)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def _wait(self, child: Child) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            child.check()
            try:
                if requests.get(f"{self.url}/realms/stoa/.well-known/openid-configuration", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.5)
        raise DiedEarly(f"Keycloak was not ready after {READY_S:.0f} s:\n{child.last_lines()}")


def main(arguments: list[str]) -> int:
    try:
        ensure(Path(arguments[0]))
    except JarsRefused as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
