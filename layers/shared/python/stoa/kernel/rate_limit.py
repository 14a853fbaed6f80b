"""Token buckets in PostgreSQL, shared by all containers; see migration 0019_rate_limits.

When PostgreSQL is away nothing is let through: every route behind a limit needs it, and would answer 503 as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from stoa.kernel.database import Database

# arrays that psycopg has to write cost a third of the whole statement
TAKE = "(SELECT json_agg(json_build_array(fits, full_in_s)) FROM take_tokens(ARRAY[{}], %s, %s))"
# what a request holds is locked, and left for the next time
REMOVE = (
    "DELETE FROM rate_limits WHERE bucket IN"
    " (SELECT bucket FROM rate_limits WHERE full_at < clock_timestamp() FOR UPDATE SKIP LOCKED)"
)
EXACT = 1e-6  # intervals have microseconds


@dataclass(frozen=True)
class Policy:
    """`per_s` requests a second for ever, and up to `burst` at once after a pause."""

    name: str
    per_s: float
    burst: int

    @property
    def spacing_s(self) -> float:
        return 1 / self.per_s


@dataclass(frozen=True)
class Level:
    """How a bucket stands after a request. `fits` is False for one that was empty; the next token comes in `more_in_s`
    seconds."""

    policy: Policy
    fits: bool
    remaining: int
    more_in_s: float


Wanted = Sequence[tuple[Policy, str]]


def take(database: Database, wanted: Wanted) -> tuple[Level, ...]:
    """Takes a token from the bucket of each policy and owner, or from none when one of them is empty; in one round
    trip, by the clock of the database. Name owners of many before owners of few. Raises Transient."""
    text, values = taking(wanted)
    return levels(wanted, database.statement(f"SELECT {text} AS taken", values)[0]["taken"])


def taking(wanted: Wanted) -> tuple[LiteralString, tuple[str, ...]]:
    """The same as an expression of a statement, with its values; `levels` reads what it is."""
    policies = [policy for policy, _ in wanted]
    spacings = ", ".join(f"{policy.spacing_s:.6f} s" for policy in policies)
    bursts = ", ".join(str(policy.burst) for policy in policies)
    buckets = [f"{policy.name}:{owner}" for policy, owner in wanted]
    return TAKE.format(", ".join(["%s"] * len(buckets))), (*buckets, f"{{{spacings}}}", f"{{{bursts}}}")


def levels(wanted: Wanted, taken: Sequence[tuple[bool, float]]) -> tuple[Level, ...]:
    return tuple(level(policy, *one) for (policy, _), one in zip(wanted, taken, strict=True))


def level(policy: Policy, fits: bool, full_in_s: float) -> Level:
    tokens = max(0.0, policy.burst - full_in_s * policy.per_s)
    remaining = math.floor(tokens + EXACT)
    more_in_s = max(0.0, (remaining + 1 - tokens) * policy.spacing_s)
    return Level(policy, fits, remaining, more_in_s)


def remove_idle(database: Database) -> int:
    """Full buckets say nothing; returns how many there were. Raises Transient."""
    with database.transaction() as connection:
        return connection.execute(REMOVE).rowcount
