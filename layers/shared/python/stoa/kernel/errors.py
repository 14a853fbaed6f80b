"""The errors that mean something to a caller. Anything else is a bug and is treated as one.

Over HTTP a `Refused` becomes problem+json with its status; over Kafka it parks the record as a
permanent failure, and `Transient` leaves the record where it is, to be tried again.
"""

from typing import Any


class Refused(Exception):
    """The request is wrong and will be wrong next time too.

    `code` is stable and upper-case; `detail` is one sentence for a person; `field`, `file` and `line`
    say where; `hint` says what to do next; `status` is the HTTP status it is rendered with; `noted` is
    set by who has it on the audit log already.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        file: str | None = None,
        line: int | None = None,
        hint: str | None = None,
        status: int = 422,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.field = field
        self.file = file
        self.line = line
        self.hint = hint
        self.status = status
        self.noted = False

    def problem(self) -> dict[str, Any]:
        """As it is stored and published; places that it does not name are left out."""
        place = {"file": self.file, "line": self.line, "field": self.field, "hint": self.hint}
        return {"code": self.code, "detail": self.detail, **{k: v for k, v in place.items() if v is not None}}

    def where(self) -> str:
        """The detail with file and line in front, as a compiler would print it."""
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return place + self.detail


class NotFound(Refused):
    """There is no such thing, or the caller may not know that there is."""

    def __init__(self, detail: str) -> None:
        super().__init__("NOT_FOUND", detail, status=404)


class Transient(Exception):
    """A system outside is down, slow or misconfigured; the same call may succeed later.

    `alarm` marks what a person must repair (an expired credential), `sent` is False only when the
    call certainly did not reach the other side; `retry_after_s` is when the other side wants to be asked again;
    `expected` marks what somebody wants (a closed window), however long it takes: it never ends a record.
    """

    def __init__(
        self,
        system: str,
        detail: str,
        *,
        alarm: bool = False,
        sent: bool = True,
        retry_after_s: float | None = None,
        expected: bool = False,
    ) -> None:
        super().__init__(f"{system}: {detail}")
        self.system = system
        self.detail = detail
        self.alarm = alarm
        self.sent = sent
        self.retry_after_s = retry_after_s
        self.expected = expected
