"""When a server wants to be asked again. Source: RFC 9110, 10.2.3; of its two forms only the seconds are read."""

STATUS = frozenset({429, 503})
LONGEST_S = 86_400.0


def seconds(status: int, given: str | None) -> float | None:
    """`given` is the header Retry-After of an answer of that status. None where it does not say."""
    if status not in STATUS or given is None or not (given.isascii() and given.isdigit() and len(given) < 10):
        return None
    return min(float(given), LONGEST_S)
