"""GitLab REST API v4: compare, tree, files, commits. Source: GitLab's repository APIs, in the words they use."""

import base64
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote

import requests

from stoa.adapters.retry_after import seconds
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret

PER_PAGE = 100
MAX_FILE_BYTES = 5 * 2**20
MAX_TOTAL_BYTES = 20 * 2**20
CHUNK_BYTES = 2**16
TOO_LARGE_HINT = "move out of the API's folder what its definition does not need, or make it smaller"
GONE_HINT = "push again; if that does not help, the platform's token may not see the project any more"
NAME_HINT = "give the file a name in UTF-8, best of a-z, 0-9, - and . only; GitLab lists it and cannot read it"
MAX_WAIT_S = 10.0
AT_ONCE = 6
RETRY_STATUS = frozenset({408, 409, 425})
# said with 400, by some versions with 409; source: files/multi_service.rb and files/base_service.rb of GitLab
# [unverified] the last one: somebody else's push reached the branch at the same moment
STALE = re.compile("file with this name (already exists|doesn't exist)|has changed since you started|Could not update ")
CLOSED = "not allowed to push into this branch"
CLOSED_HINT = "let the platform's user push to the default branch, or change the API in Git by a merge request"


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


class _Allowance:
    """What files that are read at once may have together, so that memory is bounded whatever was pushed."""

    def __init__(self) -> None:
        self._left = MAX_TOTAL_BYTES
        self._lock = Lock()

    def spend(self, size: int, path: str) -> None:
        with self._lock:
            self._left -= size
            spent = self._left < 0
        if spent:
            said = f"the files of the API are larger than {MAX_TOTAL_BYTES // 2**20} MB together"
            raise Refused("FILES_TOO_LARGE", said, file=path, hint=TOO_LARGE_HINT)


class GitLab:
    """A client for one GitLab. Raises Transient when it is away, NotFound for what it does not show us."""

    def __init__(self, url: str, token: Secret, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/") + "/api/v4"
        self._token = token
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # settings come from nowhere else, and reading .netrc costs more than the call
        self._session.mount("http", requests.adapters.HTTPAdapter(pool_maxsize=AT_ONCE))
        self._pool = ThreadPoolExecutor(AT_ONCE, "gitlab")

    def compare(self, project_id: int, old: str, new: str, *, straight: bool) -> Comparison:
        """`straight` compares the two commits themselves, otherwise `new` with their merge base."""
        params = {"from": old, "to": new, "straight": str(straight).lower()}
        body = self._get(f"/projects/{project_id}/repository/compare", params).json()
        return Comparison(
            commits=tuple(str(commit["id"]) for commit in body["commits"]),
            diffs=tuple(
                Diff(d["old_path"], d["new_path"], d["new_file"], d["renamed_file"], d["deleted_file"])
                for d in body["diffs"]
            ),
            timed_out=bool(body.get("compare_timeout")),
            messages={str(commit["id"]): str(commit["message"]) for commit in body["commits"]},
        )

    def default_branch(self, project_id: int) -> tuple[str, str] | None:
        """The name of the default branch and the commit it is at; None for an empty or hidden repository."""
        try:
            name = self._get(f"/projects/{project_id}", {}).json()["default_branch"]
            if not name:
                return None
        except NotFound:
            return None
        head = self.branch(project_id, name)
        return (name, head) if head else None

    def branch(self, project_id: int, name: str) -> str | None:
        """The commit that the branch is at; None when there is no such branch, or its project is hidden."""
        try:
            found = self._get(f"/projects/{project_id}/repository/branches/{quote(name, safe='')}", {}).json()
        except NotFound:
            return None
        return str(found["commit"]["id"])

    def is_ancestor(self, project_id: int, old: str, new: str) -> bool:
        """Whether the history of `new` has `old`; it has not what GitLab no longer keeps."""
        try:
            return old == new or not self.compare(project_id, new, old, straight=False).commits
        except NotFound:
            return False

    def tree(self, project_id: int, ref: str, path: str = "", *, recursive: bool = True) -> tuple[str, ...]:
        """Paths of all files below `path` at a commit, or of those in it; empty when there is no such folder."""
        return tuple(self.blobs(project_id, ref, path, recursive=recursive))

    def blobs(self, project_id: int, ref: str, path: str = "", *, recursive: bool = True) -> dict[str, str]:
        """The same, each with the id of its content."""
        found: dict[str, str] = {}
        said = str(recursive).lower()
        params = {"ref": ref, "path": path, "recursive": said, "per_page": str(PER_PAGE), "page": "1"}
        while params["page"]:
            try:
                answer = self._get(f"/projects/{project_id}/repository/tree", params)
            except NotFound:
                if path:
                    return {}
                raise
            found |= {entry["path"]: entry["id"] for entry in answer.json() if entry["type"] == "blob"}
            params["page"] = answer.headers.get("X-Next-Page", "")
        return found

    def last_commits(self, project_id: int, paths: Iterable[str], ref: str) -> dict[str, str]:
        """The commit that touched each file last, by path. Raises NotFound."""
        wanted, where = list(paths), f"/projects/{project_id}/repository/files"
        urls = [f"{where}/{quote(path, safe='')}" for path in wanted]
        found = self._pool.map(lambda url: self._get(url, {"ref": ref}, "HEAD"), urls)
        return {path: said.headers["X-Gitlab-Last-Commit-Id"] for path, said in zip(wanted, found, strict=True)}

    def commits(self, project_id: int, ref: str, path: str) -> dict[str, str]:
        """The newest 100 commits that touched a path ("" for any), the newest first, each with its message."""
        params = {"ref_name": ref, "path": path, "per_page": str(PER_PAGE)}
        found = self._get(f"/projects/{project_id}/repository/commits", params).json()
        return {str(commit["id"]): str(commit["message"]) for commit in found}

    def commit(self, project_id: int, branch: str, message: str, writes: Sequence[Write]) -> str:
        """All of them in one commit; its id. Raises Stale, Refused for a branch that is closed to us.

        After Transient the commit may be made, or may still be.
        """
        body = {"branch": branch, "commit_message": message, "actions": [write.action() for write in writes]}
        answer = self._send("POST", f"/projects/{project_id}/repository/commits", {"stats": "false"}, body=body)
        said = _said(answer) if answer.status_code in (400, 403, 409) else ""
        if STALE.search(said):
            raise Stale(said)
        if CLOSED in said:
            raise Refused("BRANCH_PROTECTED", f"GitLab: {said}", hint=CLOSED_HINT, status=409)
        if answer.status_code == 429:
            raise Transient("gitlab", "rate limit", sent=False)
        _raise_for(answer)
        return str(answer.json()["id"])

    def top_and(self, project_id: int, ref: str, folders: Iterable[str]) -> tuple[str, ...]:
        """Paths of the files in the topmost folder, and of all files below these, asked for at once."""
        top = self._pool.submit(self.tree, project_id, ref, recursive=False)
        below = [self._pool.submit(self.tree, project_id, ref, folder) for folder in folders]
        return tuple(path for found in (top, *below) for path in found.result())

    def file(self, project_id: int, path: str, ref: str) -> bytes:
        """The bytes of one file. Raises NotFound, or Refused for one above 5 MB, of which no more is read."""
        return self._file(project_id, path, ref, _Allowance())

    def files(self, project_id: int, paths: Iterable[str], ref: str) -> dict[str, bytes]:
        """Several files at once, by path. Raises Refused as soon as they are too large together."""
        wanted, allowance = list(paths), _Allowance()
        read = self._pool.map(lambda path: self._file(project_id, path, ref, allowance), wanted)
        return dict(zip(wanted, read, strict=True))

    def _file(self, project_id: int, path: str, ref: str, allowance: _Allowance) -> bytes:
        where = f"/projects/{project_id}/repository/files/{quote(path, safe='')}/raw"
        found = bytearray()
        try:
            with self._get(where, {"ref": ref}, stream=True) as answer:
                for chunk in answer.iter_content(CHUNK_BYTES):
                    found += chunk
                    if len(found) > MAX_FILE_BYTES:
                        said = f"larger than {MAX_FILE_BYTES // 2**20} MB"
                        raise Refused("FILE_TOO_LARGE", said, file=path, hint=TOO_LARGE_HINT)
                    allowance.spend(len(chunk), path)
        except requests.RequestException as error:
            raise Transient("gitlab", type(error).__name__) from error
        except NotFound as error:
            error.file = path
            if "\ufffd" in path:  # what stands for bytes that are no character
                error.hint = NAME_HINT
            raise
        return bytes(found)

    def _get(
        self, path: str, params: dict[str, str], method: str = "GET", *, stream: bool = False
    ) -> requests.Response:
        deadline = time.monotonic() + MAX_WAIT_S
        while True:
            answer = self._send(method, path, params, stream=stream)
            if answer.status_code != 429:
                break
            answer.close()
            pause = seconds(answer.status_code, answer.headers.get("Retry-After")) or 1.0
            if time.monotonic() + pause > deadline:
                raise Transient("gitlab", "rate limit")
            time.sleep(pause)
        _raise_for(answer)
        return answer

    def _send(
        self, method: str, path: str, params: dict[str, str], *, stream: bool = False, body: Any = None
    ) -> requests.Response:
        headers = {"PRIVATE-TOKEN": self._token.reveal()}
        try:
            # a redirect could carry the token to another host
            return self._session.request(
                method,
                self._url + path,
                params=params,
                json=body,
                headers=headers,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=stream,
            )
        except requests.RequestException as error:
            raise Transient("gitlab", type(error).__name__) from error


def _raise_for(answer: requests.Response) -> None:
    status = answer.status_code
    if status in (401, 403):
        raise Transient("gitlab", f"{status}: {_said(answer)}", alarm=True)
    if status >= 500 or status in RETRY_STATUS or 300 <= status < 400:
        raise Transient("gitlab", f"answered {status}")
    if status == 404:
        missing = NotFound(f"GitLab: {_said(answer)}")
        missing.hint = GONE_HINT
        raise missing
    if status >= 400:
        raise Refused("GITLAB_REFUSED", f"answered {status}: {_said(answer)}", hint=GONE_HINT)


def _said(answer: requests.Response) -> str:
    """`message` may be text, a list, or an object of lists; some answers use `error`; some are no JSON."""
    try:
        body: Any = answer.json()
    except requests.JSONDecodeError:
        return answer.text[:200]
    said = body.get("message") or body.get("error") if isinstance(body, dict) else body
    return str(said)[:200]
