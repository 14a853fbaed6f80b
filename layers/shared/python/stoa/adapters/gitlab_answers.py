"""What GitLab is told and answers: shapes, and answers that are none."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from stoa.kernel.errors import NotFound, Refused, Transient

GONE_HINT = "push again; if that does not help, the platform's token may not see the project any more"
RETRY_STATUS = frozenset({408, 409, 425})


@dataclass(frozen=True)
class Diff:
    """One changed file of a comparison; a rename has both paths."""

    old_path: str
    new_path: str
    new_file: bool
    renamed_file: bool
    deleted_file: bool

    def paths(self) -> Iterator[tuple[str, bool]]:
        """Each path that differs, with whether it is gone; a rename is a removal and an addition."""
        if self.deleted_file or self.renamed_file:
            yield self.old_path, True
        if not self.deleted_file:
            yield self.new_path, False


@dataclass(frozen=True)
class Comparison:
    """`commits` are ids, the oldest first, `messages` theirs; `timed_out` means that `diffs` is incomplete."""

    commits: tuple[str, ...]
    diffs: tuple[Diff, ...]
    timed_out: bool
    messages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Write:
    """One file of a commit: made when `seen` is None, removed when `content` is, else replaced. `seen` is the commit
    that touched it last, as far as the writer knows."""

    path: str
    content: bytes | None
    seen: str | None

    def action(self) -> dict[str, str]:
        name = "create" if self.seen is None else "delete" if self.content is None else "update"
        said = {"action": name, "file_path": self.path, "last_commit_id": self.seen}
        if self.content is not None:
            said |= {"encoding": "base64", "content": base64.b64encode(self.content).decode()}
        return {key: value for key, value in said.items() if value is not None}


class Stale(Refused):
    """A file is not as the writer has seen it; nothing was written."""

    def __init__(self, said: str) -> None:
        super().__init__("STALE_WRITE", f"GitLab: {said}")


def raise_for(answer: requests.Response) -> None:
    """Raises Transient, NotFound or Refused for an answer that is no success."""
    status = answer.status_code
    if status in (401, 403):
        raise Transient("gitlab", f"{status}: {said(answer)}", alarm=True)
    if status >= 500 or status in RETRY_STATUS or 300 <= status < 400:
        raise Transient("gitlab", f"answered {status}")
    if status == 404:
        missing = NotFound(f"GitLab: {said(answer)}")
        missing.hint = GONE_HINT
        raise missing
    if status >= 400:
        raise Refused("GITLAB_REFUSED", f"answered {status}: {said(answer)}", hint=GONE_HINT)


def said(answer: requests.Response) -> str:
    """`message` may be text, a list, or an object of lists; some answers use `error`; some are no JSON."""
    try:
        body: Any = answer.json()
    except requests.JSONDecodeError:
        return answer.text[:200]
    said = body.get("message") or body.get("error") if isinstance(body, dict) else body
    return str(said)[:200]
