"""What one emulator is started with, and what may be changed while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "24.6.1"
NODE = "awx-emulator"
EXECUTORS = ("ansible", "direct")
MODES = ("normal", "duplicate", "lose")


@dataclass(frozen=True)
class Config:
    """`credential` is injected into each run as environment variables; `url` stands in notifications."""

    state: Path
    playbooks: Path
    token: str
    user: str
    password: str
    executor: str = "ansible"
    slots: int = 2
    credential: Mapping[str, str] = field(default_factory=dict)
    notification_url: str = ""
    notification_token: str = ""
    url: str = "http://127.0.0.1"


@dataclass(frozen=True)
class Timing:
    """Seconds spent before waiting, before running, in running before the work, and before the events are stored."""

    pending_s: float = 0.0
    waiting_s: float = 0.0
    running_s: float = 0.0
    events_s: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{name} is a number of seconds")


@dataclass(frozen=True)
class Variants:
    """`short_lists`: lists of jobs leave out `event_processing_finished` and the trace back, as AWX does."""

    short_lists: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.short_lists, bool):
            raise ValueError("short_lists is true or false")
