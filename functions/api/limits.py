"""How often somebody may call: per tenant and per user in all containers, and per address that fails to sign in.

The fields are those of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (10 and 11). Whoever a
machine secret lets in is not limited: a push that is lost costs more than one that is early.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fastapi import Request

from stoa.bootstrap import app
from stoa.kernel import metrics
from stoa.kernel.errors import Refused
from stoa.kernel.rate_limit import Level, Policy, Wanted
from stoa.tenancy.model import Caller

FAILURES = Policy("address", per_s=5, burst=100)
ADDRESSES = 4096


def of(who: Caller) -> Wanted:
    """The buckets that a request of theirs takes from."""
    read = app().settings
    wanted = [(Policy("user", read.user_requests_per_s, read.user_burst), who.id)]
    if who.tenant is not None:
        wanted.insert(0, (Policy("tenant", read.tenant_requests_per_s, read.tenant_burst), who.tenant))
    return wanted


def heed(request: Request, levels: Sequence[Level]) -> None:
    """The answer will say what is left. Raises Refused 429."""
    request.state.headers += [(b"ratelimit", _standing(levels)), (b"ratelimit-policy", _policies(levels))]
    empty = [one for one in levels if not one.fits]
    if empty:
        names = " and ".join(one.policy.name for one in empty)
        raise _limited(
            request, empty[0].policy, f"this {names} asks too often", max(_seconds(e.more_in_s) for e in empty)
        )


class Failures:
    """Who failed to sign in lately, by source address, in the memory of this container; API Gateway throttles all of
    them in front. An address has a token bucket that only failures empty; the longest forgotten ones are forgotten."""

    def __init__(self, policy: Policy = FAILURES, addresses: int = ADDRESSES) -> None:
        self._policy = policy
        self._addresses = addresses
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """How long nobody there is asked who he is; 0 for an address that may try."""
        full_in_s = self._full_at.get(_network(address), now) - now
        return max(0.0, full_in_s - (self._policy.burst - 1) * self._policy.spacing_s)

    def add(self, address: str, now: float) -> None:
        network = _network(address)
        self._full_at[network] = max(self._full_at.pop(network, now), now) + self._policy.spacing_s
        if len(self._full_at) > self._addresses:
            self._full_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._full_at)


failures = Failures()


@contextmanager
def listening(request: Request, address: str) -> Iterator[None]:
    """Around the look at a token, which costs a signature, and a wrong one a line in the audit. Raises Refused 429
    for an address where too many were wrong."""
    wait_s = failures.wait_s(address, time.monotonic())
    if wait_s > 0:
        raise _limited(request, FAILURES, "too many tokens from this address were refused", _seconds(wait_s))
    try:
        yield
    except Refused:
        failures.add(address, time.monotonic())
        raise


def _network(address: str) -> str:
    """Of IPv6 everybody has a /64 to call from."""
    return str(ipaddress.ip_network((address, 64), strict=False)) if ":" in address else address


def _limited(request: Request, by: Policy, detail: str, wait_s: int) -> Refused:
    """`by` is the one that is counted; of several, the widest."""
    metrics.LIMITED.add(limit=by.name)
    request.state.headers.append((b"retry-after", str(wait_s).encode()))
    return Refused("RATE_LIMITED", detail, status=429, hint=f"ask again in {wait_s} s; Retry-After says it too")


def _standing(levels: Sequence[Level]) -> bytes:
    items = (f'"{one.policy.name}";r={one.remaining};t={_seconds(one.more_in_s)}' for one in levels)
    return ", ".join(items).encode()


def _policies(levels: Sequence[Level]) -> bytes:
    """`w` is how long an empty bucket takes to be full."""
    items = (f'"{p.name}";q={p.burst};w={_seconds(p.burst * p.spacing_s)}' for p in (one.policy for one in levels))
    return ", ".join(items).encode()


def _seconds(exact: float) -> int:
    """Whole ones, as both fields and Retry-After want them, and none of them too early."""
    return max(1, math.ceil(exact))
