"""What the emulator is started with, and what a test changes while it runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    state: Path
    url: str
    smtp_port: int


@dataclass
class Variants:
    """`rate_limit`: one message per webhook and second. `answer_after_s`: the message is kept at once, the answer
    comes later."""

    rate_limit: bool = False
    retry_after_s: int = 1
    answer_after_s: float = 0.0
