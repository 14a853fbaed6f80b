"""When a server wants to be asked again. Source: RFC 9110, 10.2.3; of its two forms only the seconds are read."""

from collections.abc import Mapping

STATUS = frozenset({429, 503})
LONGEST_S = 300.0


def seconds(status: int, headers: Mapping[str, str]) -> float | None:
    """None where it does not say."""
    given = headers.get("Retry-After", "")
    if status not in STATUS or not (given.isascii() and given.isdigit() and len(given) < 10):
        return None
    return min(float(given), LONGEST_S)
