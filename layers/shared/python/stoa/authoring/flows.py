"""From a change that was asked for to one commit in GitLab, and to the push that makes it known."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from stoa.adapters.gitlab import GitLab
from stoa.adapters.gitlab_answers import Stale, Write
from stoa.audit.events import acted
from stoa.authoring import events, store
from stoa.authoring.events import Authored
from stoa.authoring.model import READ_AGAIN, Change
from stoa.authoring.model_files import hashes, ours, writes
from stoa.gitops.events import NO_COMMIT, PushAccepted
from stoa.kernel import outbox
from stoa.kernel.clock import RemainingMs, in_time, iso, now
from stoa.kernel.database import Connection, Database, enter
from stoa.kernel.envelope import Event, Message
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.identity import SYSTEM
from stoa.kernel.log import log
from stoa.repository.definition import Definition, definition, folders, sources

OVERDUE = timedelta(minutes=2)
AT_ONCE = 50
LOOK_MS = 40_000  # three calls to GitLab that get no answer, and the database
PAST = {"create": "CREATED", "replace": "REPLACED", "delete": "DELETED", "publish": "PUBLISHED",
        "deprecate": "DEPRECATED"}  # fmt: skip

Convert = Callable[[str, Mapping[str, bytes], str], object]


@dataclass(frozen=True)
class Authoring:
    """`publish` takes outbox keys after a commit; `accept` makes a push known; `convert` raises Refused for a document
    that the gateway could not take; `gitlab` is made at first use; `nearby` is that of `definition`."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    accept: Callable[[PushAccepted], str]
    convert: Convert
    gitlab: Callable[[], GitLab]
    nearby: frozenset[str] = frozenset()

    def write(self, message: Message) -> None:
        """api-changes -> one commit in GitLab, then git-pushes. A redelivery finds what was done by the first."""
        change = self._load(message)
        if change.state == "requested":
            change = self._written(change)
        if change.state == "committed":
            self._make_known(change)

    def give_up(self, message: Message, error: Refused) -> None:
        """a parked change -> its row says why, so that its asker finds out."""
        change = self._load(message)
        if change.state == "requested":
            self._end(change, error)

    def follow(self, remaining_ms: RemainingMs) -> int:
        """every minute -> changes that no processed push named are ended: they are in it, or were taken back."""
        with self.database.transaction(admin_read=True) as connection:
            waiting = store.committed(connection, now() - OVERDUE, AT_ONCE)
        return sum(self._follow(change) for change in in_time(waiting, remaining_ms, LOOK_MS))

    def authored(self, project_id: int, tenants: Collection[str], messages: Mapping[str, str]) -> tuple[Authored, ...]:
        """the commits of a push, the oldest first -> those that the platform made, and for whom.

        What a message says only points to a change: the commit must be the one that was made for it, or have its
        files. Anybody could write the line.
        """
        said = {sha: events.named(text) for sha, text in messages.items()}
        ids = {change_id for change_id in said.values() if change_id}
        found: dict[str, Change] = {}
        for tenant in sorted(tenants) if ids else ():
            with self.database.transaction(tenant) as connection:
                found |= {change.id: change for change in store.named(connection, project_id, ids)}
        named = ((sha, found[change_id]) for sha, change_id in said.items() if change_id in found)
        return tuple(
            Authored(change.id, change.tenant, change.api, change.requested_by, sha)
            for sha, change in named
            if self._is_of(change, sha)
        )

    def settle(self, connection: Connection, made: Iterable[Authored]) -> tuple[str, ...]:
        """a processed push -> the changes in it are done, in the transaction of the push. Returns outbox keys."""
        told = []
        for one in sorted(made, key=lambda found: found.change_id):
            enter(connection, one.tenant)
            if store.record(connection, one.change_id, one.sha) and (change := store.get(connection, one.change_id)):
                told.append(_audit(change, one.sha))  # who wrote it died, or is slower than this push
            store.end(connection, one.change_id, "done", now(), sha=one.sha)
        return outbox.add(connection, told)

    def _load(self, message: Message) -> Change:
        change_id = str(message.data.get("change_id"))
        with self.database.transaction(message.tenant) as connection:
            change = store.get(connection, change_id)
        if change is None:
            raise Refused("UNKNOWN_CHANGE", f"there is no change {change_id}", field="change_id")
        return change

    def _written(self, change: Change) -> Change:
        """The change with its commit, or ended when there was nothing to write. Raises Refused, Transient."""
        found = self.gitlab().default_branch(change.project_id)
        if found is None:
            hint = "push a first commit to the project, or let the platform's user see it"
            raise Refused("BRANCH_GONE", "GitLab shows no default branch of the project", status=409, hint=hint)
        branch, head = found
        earlier = self._made(change, head) if change.files is not None else None
        if earlier is not None:
            return self._record(change, earlier)
        change = self._tried(change, branch, head)
        if change.state != "requested":
            return change
        # somebody was faster, or an earlier try of ours arrives now
        head = self.gitlab().branch(change.project_id, branch) or head
        earlier = self._made(change, head)
        change = self._record(change, earlier) if earlier is not None else self._tried(change, branch, head)
        if change.state == "requested":
            raise Transient("gitlab", "the API's files change faster than they can be written")
        return change

    def _tried(self, change: Change, branch: str, head: str) -> Change:
        """As it was when GitLab found a file that is not as we had read it. Raises Refused, Transient."""
        gitlab, project = self.gitlab(), change.project_id
        there = gitlab.blobs(project, head, change.folder)
        wanted = self._wanted(change, head, there)
        if not wanted:
            return self._end(change, None)
        seen = gitlab.last_commits(project, [path for path in wanted if path in there], head)
        change = replace(change, files=hashes(wanted))
        with self.database.transaction(change.tenant) as connection:
            store.announce(connection, change.id, change.files or {})
        actions = [Write(path, data, seen.get(path)) for path, data in wanted.items()]
        try:
            return self._record(
                change, self.gitlab().commit(change.project_id, branch, events.message_of(change), actions)
            )
        except Stale as error:
            log.warning("change.stale", change_id=change.id, detail=error.detail)
            return change

    def _wanted(self, change: Change, head: str, now_there: Mapping[str, str]) -> dict[str, bytes | None]:
        """The files to write. Raises Refused when Git has moved on from what the asker had seen."""
        gitlab, project = self.gitlab(), change.project_id
        if change.base is None:
            if now_there:
                hint = "choose another name, or change the one that is there"
                raise Refused("API_EXISTS", "Git has files of such an API", file=change.folder, status=409, hint=hint)
        elif now_there != gitlab.blobs(project, change.base, change.folder):
            detail = "somebody changed the API in Git meanwhile"
            raise Refused("API_CHANGED_IN_GIT", detail, file=change.folder, status=409, hint=READ_AGAIN)
        there = gitlab.files(project, ours(change.folder, now_there), head)
        wanted = writes(change, there, list(now_there))
        if change.action in ("create", "replace"):
            self._check(change, head, wanted)
        return wanted

    def _check(self, change: Change, head: str, wanted: Mapping[str, bytes | None]) -> None:
        """Whether it could be deployed, with all that the repository adds. Raises Refused."""
        gitlab, project, api = self.gitlab(), change.project_id, (change.tenant, change.api)
        environments = sorted(change.wanted["environments"])
        looked = {folder for name in environments for folder in folders(*api, name)}
        tree = set(gitlab.top_and(project, head, sorted(looked)))
        tree = {path for path in tree | set(wanted) if wanted.get(path, b"") is not None}
        needed = {name: sources(tree, *api, name) for name in environments}
        unchanged = {path for paths in needed.values() for path in paths} - set(wanted)
        new = {path: data for path, data in wanted.items() if data is not None}
        files = {**gitlab.files(project, sorted(unchanged), head), **new}
        for name in environments:
            read = {path: files[path] for path in needed[name]}
            found: Definition = definition(read, *api, name, self.nearby)
            self.convert(found.spec_path, read, found.api.spec.backend.url)

    def _made(self, change: Change, head: str) -> str | None:
        """The commit that an earlier try has made after all."""
        found = self.gitlab().commits(change.project_id, head, change.folder)
        named = (sha for sha, text in found.items() if events.named(text) == change.id)
        return next((sha for sha in named if self._is_of(change, sha)), None)

    def _is_of(self, change: Change, sha: str) -> bool:
        """Whether a commit that names the change has its files."""
        if change.commit is not None or change.files is None:
            return change.commit == sha
        return all(self._hash(change.project_id, path, sha) == told for path, told in change.files.items())

    def _hash(self, project_id: int, path: str, sha: str) -> str | None:
        try:
            return hashes({path: self.gitlab().file(project_id, path, sha)})[path]
        except NotFound:
            return None

    def _record(self, change: Change, sha: str) -> Change:
        with self.database.transaction(change.tenant) as connection:
            new = store.record(connection, change.id, sha)
            keys = outbox.add(connection, [_audit(change, sha)]) if new else ()
        self.publish(keys)
        return replace(change, state="committed", commit=sha)

    def _make_known(self, change: Change) -> None:
        """The push of our commit, accepted once however often this runs; GitLab's webhook then finds it processed."""
        self.accept(
            {
                "trace_id": change.trace_id,
                "push_id": f"change:{change.id}",
                "project_id": change.project_id,
                "ref": f"refs/heads/{self._branch(change)}",
                "before": change.base or NO_COMMIT,
                "after": str(change.commit),
                "pusher": SYSTEM,  # for whom, the change says: other people's commits may be before it
                "received_at": iso(now()),
            }
        )

    def _branch(self, change: Change) -> str:
        found = self.gitlab().default_branch(change.project_id)
        if found is None:
            raise Transient("gitlab", "it shows no default branch of a project that we have written to")
        return found[0]

    def _end(self, change: Change, error: Refused | None) -> Change:
        """Without an error: it was as wanted before."""
        said = error.problem() if error else None
        with self.database.transaction(change.tenant) as connection:
            ended = store.end(connection, change.id, "refused" if error else "done", now(), error=said)
            keys = outbox.add(connection, [_audit(change, None, said)]) if ended and error else ()
        self.publish(keys)
        return replace(change, state="refused" if error else "done")

    def _follow(self, change: Change) -> bool:
        with self.database.transaction(change.tenant) as connection:
            head = store.processed(connection, change.project_id)
        gitlab, project, sha = self.gitlab(), change.project_id, str(change.commit)
        if head is not None and gitlab.is_ancestor(project, sha, head):
            self._end(change, None)
            return True
        found = gitlab.default_branch(project)
        if found is None or gitlab.is_ancestor(project, sha, found[1]):
            return False
        hint = "ask again, if it is still wanted"
        self._end(change, Refused("TAKEN_BACK", "the branch was rewritten without the commit", status=409, hint=hint))
        return True


def _audit(change: Change, sha: str | None, error: dict[str, Any] | None = None) -> Event:
    """What came of it: the commit, or why there is none."""
    after = {"change": change.id, **({"code": error["code"]} if error else {})}
    return acted(
        f"API_{PAST[change.action]}_IN_GIT", f"apis/{change.tenant}/{change.api}", actor=change.requested_by,
        tenant=change.tenant, trace_id=change.trace_id, at=now(), outcome="refused" if error else "done", after=after,
        git_commit=sha,
    )  # fmt: skip
