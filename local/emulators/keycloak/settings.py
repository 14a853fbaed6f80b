"""What the emulator is started with, and what can be changed while it runs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """`url` is where browsers and functions reach us: every issuer and endpoint begins with it. `realm` and `users` are
    files as Keycloak imports them; `environment` holds what their placeholders stand for."""

    state: Path
    url: str
    realm: Path
    environment: Mapping[str, str]
    users: Path | None = None


@dataclass
class Oddities:
    """Set over `PUT /_emulator/oddities`. Our clock is `ahead_s` of the machine's; `without_audience` leaves `aud` out
    of access tokens, as a realm without its audience mapper does."""

    ahead_s: float = 0.0
    without_audience: bool = False

    def now(self) -> int:
        """Seconds, as every time in a token."""
        return int(time.time() + self.ahead_s)
