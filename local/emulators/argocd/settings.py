"""What the emulator is started with, and what can be changed while it runs."""

import time
from dataclasses import dataclass
from pathlib import Path

VERSION = "v2.14.11+8ecbb92"
NAMESPACE = "argocd"
TARGET = "main"
ADMIN = "admin"


@dataclass(frozen=True)
class Config:
    """`token` never expires; `password` is the admin's, empty for none. `repositories` is a folder of bare
    repositories that the ApplicationSet reads, or None: then it makes what it is told over its control."""

    state: Path
    token: str
    password: str = ""
    repositories: Path | None = None


@dataclass
class Timing:
    """Seconds; set over `PUT /_emulator/timing`.

    `pickup_s` from the call to the controller's start, `sync_s` to the operation's end, `reconcile_s` from there to the
    comparison that follows, `settle_s` to the health that the resources come to; `refresh_s` is a refresh, given up
    after `refresh_deadline_s`; `prune_s` the deletion of an application; `session_s` the life of a session's token;
    `resync_s` the pause between comparisons that nobody asked for. Its clock is `ahead_s` of the machine's.
    """

    pickup_s: float = 0.05
    sync_s: float = 0.3
    reconcile_s: float = 0.1
    settle_s: float = 0.3
    refresh_s: float = 0.05
    refresh_deadline_s: float = 5.0
    prune_s: float = 0.2
    session_s: float = 86_400.0
    resync_s: float = 180.0
    ahead_s: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s
