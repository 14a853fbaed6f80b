"""Where the local platform keeps its state, and the secrets and ports it made for itself."""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.parts.ports import kept_ports
from local.parts.postgres import UnsafeFolder, refuse_below_roots_home
from local.parts.whole_file import write_whole

ROOT = Path(__file__).resolve().parents[1]
SECRETS = (
    "gitlab_token",
    "awx_token",
    "awx_password",
    "gateway_password",
    "webhook_secret",
    "awx_webhook_secret",
    "artefact_token",
    "backend_password",
)
IDENTITY_SECRETS = (
    "demo_password",
    "control_plane_api_client_secret",
    "api_gateway_client_secret",
    "awx_automation_client_secret",
    "stoa_operator_client_secret",
    "stoa_identity_client_secret",
    "opensearch_dashboards_client_secret",
    "observability_client_secret",
)
LATER_SECRETS = ("argocd_token", "audit_signing_key", *IDENTITY_SECRETS)  # a state of before has none
SECRET_BYTES = 32  # what an Ed25519 key is


def default_home() -> Path:
    """`STOA_HOME`, or `.stoa` in the clone; for root a folder under /var/tmp, see local/parts/postgres.py."""
    if given := os.environ.get("STOA_HOME"):
        return real(Path(given))
    if os.geteuid() == 0:
        return Path("/var/tmp") / f"stoa-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}"  # noqa: S108
    return ROOT / ".stoa"


def real(folder: Path) -> Path:
    """Without links. A loop of them stays as it is, for `occupied` to refuse; Path.resolve raises."""
    return Path(os.path.realpath(folder))


class Unusable(Exception):
    """The state cannot be kept there; the text says why, and what to do."""


@contextmanager
def occupied(folder: Path, lock: str) -> Iterator[None]:
    """Makes the folder and holds the lock file of that name in it. Raises Unusable, before anything is written."""
    try:
        refuse_below_roots_home(folder)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        held = os.open(folder / lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        detail = f"{folder} cannot hold the state: {error.strerror}"
        raise Unusable(f"{detail}. Choose another folder with --home or STOA_HOME.") from error
    except UnsafeFolder as error:
        raise Unusable(str(error)) from error
    with os.fdopen(held, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            detail = f"STOA already runs from {folder} (pid {file.read().strip()})"
            raise Unusable(f"{detail}. Use that one, end it, or choose another folder with --home.") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield  # the lock ends with the file, or with the process


class Home:
    """A folder of state. Secrets and ports are made once and stay over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self._secrets = _kept_secrets(folder / "secrets.json")
        self._ports = folder / "ports.json"

    def secret(self, name: str) -> str:
        return self._secrets[name]

    def port(self, name: str) -> int:
        """The port that `name` had before, if it is free, or another free one."""
        return kept_ports(self._ports, {name})[name]

    def path(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made


def _kept_secrets(file: Path) -> dict[str, str]:
    """Made anew they would lock the platform out of its own state, so damaged ones are refused. Raises Unusable."""
    if not file.exists():
        write_whole(
            file, json.dumps({name: secrets.token_urlsafe(SECRET_BYTES) for name in (*SECRETS, *LATER_SECRETS)})
        )
    try:
        kept = json.loads(file.read_text())
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), str) for name in SECRETS):
        raise Unusable(f"{file} is damaged. Put it back from a copy, or start from nothing with another --home.")
    if missing := [name for name in LATER_SECRETS if not isinstance(kept.get(name), str)]:
        kept |= {name: secrets.token_urlsafe(SECRET_BYTES) for name in missing}
        write_whole(file, json.dumps(kept))
    return kept
