"""What was seen from outside after a run. Plain values, for the checker to judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Sin = Literal["lost", "doubled", "misordered"]
RESULT_OF = {"succeeded": "success", "failed": "failed", "superseded": "superseded", "cancelled": "cancelled"}

BROKEN = "broken "  # before the path of a document that is none

# what Git holds of an API: the path that tells one round from another, BROKEN and the path, or nothing
Content = str | None


@dataclass(frozen=True)
class Commit:
    """A commit of the default branch and what each API was after it."""

    sha: str
    apis: Mapping[str, Content]


@dataclass(frozen=True)
class Push:
    """A row of `pushes`; `codes` are the reasons in its outcome."""

    id: str
    after: str
    state: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A row of `deployments`."""

    id: str
    api: str
    environment: str
    action: str
    generation: int
    state: str
    commit: str
    trigger: str
    code: str | None = None


@dataclass(frozen=True)
class Told:
    """An event about a deployment on a topic, each event id once. `status` is empty for a request."""

    event_id: str
    deployment_id: str
    status: str = ""


@dataclass(frozen=True)
class Job:
    """An AWX job; ids rise in the order in which AWX took the launches. `status` is AWX's word, `started` and
    `finished` are its own times, in seconds: none for what did not come."""

    id: int
    deployment_id: str
    lane: str
    generation: int
    status: str
    started: float | None
    finished: float | None

    @property
    def ran(self) -> bool:
        return self.started is not None


@dataclass(frozen=True)
class Answer:
    """A request by hand that was answered with 202 and a deployment; `key` is its Idempotency-Key."""

    key: str
    deployment_id: str


@dataclass(frozen=True)
class Status:
    """A row of `api_status`: the newest result of an API in an environment, and which deployment is served there."""

    api: str
    environment: str
    deployment_id: str
    status: str
    serving: str | None


@dataclass(frozen=True)
class Notice:
    """An event on `notifications`, each event id once: the result that it tells of, the channel that is to get it.

    `state` is that of its row in the table of that name, empty without one, `tries` how often its sending was begun;
    `mails` how many came of it, none where the channel is not one by mail.
    """

    event_id: str
    caused_by: str
    channel: str
    state: str
    tries: int
    mails: int | None = None


@dataclass(frozen=True)
class People:
    """What the tenant's channels want, by their name: statuses of results; and what is known of what they get."""

    channels: Mapping[str, frozenset[str]]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class Rollouts:
    """`newest` is the generation of each API's newest event on the topics about APIs; `rows` what is known of the sync
    that Argo CD was asked for: the generation of its event, and its state."""

    newest: Mapping[str, int]
    rows: Mapping[str, tuple[int, str]]


@dataclass(frozen=True)
class Memory:
    """What archive and search hold beside what the topics hold.

    `ends` is the first offset and the end of each topic and partition, `archived` every offset in the archive, in
    the order of its objects; `events` are the distinct event ids on the topics, `found` every event id in the index.
    """

    ends: Mapping[tuple[str, int], tuple[int, int]]
    archived: Mapping[tuple[str, int], tuple[int, ...]]
    events: frozenset[str]
    found: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """`history` is GitLab's, oldest first; `acknowledged` the commits whose push git said was taken; `delivered` the
    ids of webhooks that were answered with 202; `cancelled` the deployments that somebody asked to cancel; `served`
    the paths of each API that the gateway answers with 200, of all that the API ever had; `sent` counts, by API and by
    the trigger of the row that it would make, the Idempotency-Keys that were sent and may have been accepted; `faults`
    counts what was done to the platform; `left` says what was still under way when nobody waited any longer."""

    history: tuple[Commit, ...]
    acknowledged: tuple[str, ...]
    delivered: tuple[str, ...]
    pushes: tuple[Push, ...]
    requests: tuple[Request, ...]
    asked: tuple[Told, ...]
    results: tuple[Told, ...]
    jobs: tuple[Job, ...]
    answers: tuple[Answer, ...]
    cancelled: frozenset[str]
    served: Mapping[str, frozenset[str]]
    sent: Mapping[tuple[str, str], int]
    statuses: tuple[Status, ...]
    faults: Mapping[str, int]
    left: tuple[str, ...] = ()
    memory: Memory | None = None
    people: People | None = None
    rollouts: Rollouts | None = None
