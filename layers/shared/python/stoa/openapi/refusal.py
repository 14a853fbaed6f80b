"""The one error of this package: a document that is refused, with a stable code."""

from __future__ import annotations

TOO_LARGE = "SPEC_TOO_LARGE"
TOO_DEEP = "SPEC_TOO_DEEP"
NOT_PARSEABLE = "SPEC_NOT_PARSEABLE"
ALIAS_BOMB = "SPEC_ALIAS_BOMB"
VERSION_UNSUPPORTED = "SPEC_VERSION_UNSUPPORTED"
EXTERNAL_REF = "SPEC_EXTERNAL_REF"
REF_UNRESOLVED = "SPEC_REF_UNRESOLVED"
INVALID = "SPEC_INVALID"
SECURITY_WEAKENED = "SPEC_SECURITY_WEAKENED"


class SpecRefused(Exception):
    """The document cannot be taken in, converted or published.

    `code` is one of the constants of this module and never changes its meaning; `detail` is one
    sentence for the author; `line` counts from 1 and is of `file`, a path in the API's folder, or of the
    document itself when that is None; `pointer` is the JSON pointer of the first offending place and
    `pointers` lists all of them.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        file: str | None = None,
        line: int | None = None,
        pointer: str | None = None,
        pointers: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.file = file
        self.line = line
        self.pointer = pointer
        self.pointers = pointers or ((pointer,) if pointer is not None else ())

    def __str__(self) -> str:
        places = (self.file, f"line {self.line}" if self.line else None, f"at {self.pointer}" if self.pointer else None)
        where = ", ".join(place for place in places if place)
        return f"{self.code}: {self.detail}" + (f" ({where})" if where else "")
