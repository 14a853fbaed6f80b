from dataclasses import dataclass
from pathlib import Path

VERSION = "17.11.4"
USER = {"id": 1, "username": "root", "name": "Administrator", "state": "active", "email": "[REDACTED]"}
NAMESPACE = {"id": 1, "name": "Administrator", "path": "root", "kind": "user", "full_path": "root"}


@dataclass(frozen=True)
class Config:
    state: Path
    token: str
    url: str
