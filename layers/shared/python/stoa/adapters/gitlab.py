"""GitLab REST API v4: compare, tree, files, commits. Source: GitLab's repository APIs, in the words they use."""

import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any
from urllib.parse import quote

import requests

from stoa.adapters.credential import Credential, credential
from stoa.adapters.gitlab_answers import Comparison, Diff, Stale, Write, raise_for, said
from stoa.adapters.retry_after import seconds
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret

PER_PAGE = 100
MAX_FILE_BYTES = 5 * 2**20
MAX_TOTAL_BYTES = 20 * 2**20
CHUNK_BYTES = 2**16
TOO_LARGE_HINT = "move out of the API's folder what its definition does not need, or make it smaller"
NAME_HINT = "give the file a name in UTF-8, best of a-z, 0-9, - and . only; GitLab lists it and cannot read it"
MAX_WAIT_S = 10.0
AT_ONCE = 6
# said with 400, by some versions with 409; source: files/multi_service.rb and files/base_service.rb of GitLab
# [unverified] the last one: somebody else's push reached the branch at the same moment
STALE = re.compile("file with this name (already exists|doesn't exist)|has changed since you started|Could not update ")
CLOSED = "not allowed to push into this branch"
CLOSED_HINT = "let the platform's user push to the default branch, or change the API in Git by a merge request"


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

    def __init__(self, url: str, token: Secret | Credential, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/") + "/api/v4"
        self._credential = credential(token)
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

    def people(self, project_id: int, old: str, new: str, path: str) -> frozenset[str] | None:
        """The addresses of authors and committers of what changed below `path` between two commits, in small letters;
        None when GitLab keeps the older one no longer."""
        params = {"from": old, "to": new, "straight": "true"}
        try:
            between = self._get(f"/projects/{project_id}/repository/compare", params).json()["commits"]
        except NotFound:
            return None
        params = {"ref_name": new, "path": path, "per_page": str(PER_PAGE)}
        touching = {one["id"] for one in self._get(f"/projects/{project_id}/repository/commits", params).json()}
        # a merge may change what none of its commits did
        made = [one for one in between if one["id"] in touching] or between
        return frozenset(str(one[who]).lower() for one in made for who in ("author_email", "committer_email"))

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
        answer = self._known("POST", f"/projects/{project_id}/repository/commits", {"stats": "false"}, body=body)
        refusal = said(answer) if answer.status_code in (400, 403, 409) else ""
        if STALE.search(refusal):
            raise Stale(refusal)
        if CLOSED in refusal:
            raise Refused("BRANCH_PROTECTED", f"GitLab: {refusal}", hint=CLOSED_HINT, status=409)
        if answer.status_code == 429:
            raise Transient("gitlab", "rate limit", sent=False)
        raise_for(answer)
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
            answer = self._known(method, path, params, stream=stream)
            if answer.status_code != 429:
                break
            answer.close()
            pause = seconds(answer.status_code, answer.headers.get("Retry-After")) or 1.0
            if time.monotonic() + pause > deadline:
                raise Transient("gitlab", "rate limit")
            time.sleep(pause)
        raise_for(answer)
        return answer

    def _known(
        self, method: str, path: str, params: dict[str, str], *, stream: bool = False, body: Any = None
    ) -> requests.Response:
        """A token that is refused is read anew, and the call made once more: GitLab did nothing of it."""
        token = self._credential.value()
        answer = self._send(method, path, params, token, stream=stream, body=body)
        if answer.status_code == 401 and (newer := self._credential.after(token)):
            answer.close()
            answer = self._send(method, path, params, newer, stream=stream, body=body)
        return answer

    def _send(
        self, method: str, path: str, params: dict[str, str], token: Secret, *, stream: bool, body: Any
    ) -> requests.Response:
        headers = {"PRIVATE-TOKEN": token.reveal()}
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
