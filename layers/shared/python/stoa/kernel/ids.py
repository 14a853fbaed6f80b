"""Identifiers: sortable ids of deployments and changes, random event ids, W3C trace ids."""

import secrets
import time
import uuid

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def deployment_id() -> str:
    """`dep-` and a lower-case ULID: sorts by the time of its making."""
    return f"dep-{_ulid()}"


def change_id() -> str:
    """The same with `chg-`."""
    return f"chg-{_ulid()}"


def event_id() -> str:
    return str(uuid.uuid4())


def trace_id() -> str:
    """`trc-` and the 32 hex digits that a `traceparent` carries."""
    return "trc-" + secrets.token_hex(16)


def traceparent(trace: str) -> str:
    """A new span below `trace`, as https://www.w3.org/TR/trace-context/ writes it."""
    return f"00-{trace.removeprefix('trc-')}-{secrets.token_hex(8)}-01"


def _ulid() -> str:
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
