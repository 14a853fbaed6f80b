"""What the emulator is started with, and what can be changed while it runs."""

from dataclasses import dataclass
from pathlib import Path

VERSION = "17.11.4"
REVISION = "5f1dd2e8c4a"
USER_ID, USERNAME, USER_NAME = 1, "root", "Administrator"
USER_MAIL = "admin@example.com"


@dataclass(frozen=True)
class Config:
    """`url` is the external address of this GitLab.

    `read_token` belongs to another user, who is a member of no project; its scope is read_api.
    """

    state: Path
    token: str
    url: str
    read_token: str = ""


@dataclass
class Variants:
    """Where versions differ or the reference leaves it open; set over `PUT /_emulator/variants`.

    `stale_write_status` 400 or 409; `protected_write_status` 400 or 403; `compare_timeout` cuts the diffs of every
    comparison short; `hidden_email` is what a push says instead of the pusher's address, "" or "[REDACTED]";
    `branch_limit` is push_event_hooks_limit; `client_errors_disable` is how old versions took a 4xx: as the end;
    `hook_pause_scale` makes the minutes of a hook that rests shorter.
    """

    stale_write_status: int = 400
    protected_write_status: int = 400
    compare_timeout: bool = False
    hidden_email: str = "[REDACTED]"
    branch_limit: int = 3
    hook_timeout_s: float = 10.0
    client_errors_disable: bool = False
    hook_pause_scale: float = 1.0
