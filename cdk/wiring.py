"""The event map on one page: topics, functions, what triggers what. Pure data.

Four readers, nothing written twice: the CDK stacks, local/, the creation of topics, and the
generated AsyncAPI document with docs/flows.md.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Topic:
    """A Kafka topic. `key` says what the message key is; `dlq` adds `<name>.dlq` for parked records."""

    name: str
    key: str
    summary: str
    partitions: int = 6
    retention_days: int = 7
    cleanup: Literal["delete", "compact,delete"] = "delete"
    dlq: bool = True


@dataclass(frozen=True)
class Source:
    """One Kafka event source mapping; its consumer group is `<function>.<topic>`."""

    topic: str
    batch_size: int = 10
    window_s: float = 0.0
    partial_batch: bool = True


def _each(*topics: str, batch_size: int, window_s: float) -> tuple[Source, ...]:
    """Mappings whose batch is done as a whole or comes again as a whole."""
    return tuple(Source(topic, batch_size, window_s, partial_batch=False) for topic in topics)


@dataclass(frozen=True)
class Function:
    """A Lambda function; its handler is `functions/<name>/handler.py::handler`.

    `every_s` is the pace of its ticks, `daily_at` the hour of the only one of a day, in UTC.
    A function with sources and a schedule uses its ticks to go on with parked keys, and for what else its handler
    says. `dead_letters` is False for one that refuses no record.
    """

    name: str
    summary: str
    memory_mb: int = 512
    timeout_s: int = 60
    http: bool = False
    sources: tuple[Source, ...] = ()
    every_s: int | None = None
    daily_at: int | None = None
    produces: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    dead_letters: bool = True

    @property
    def ticks(self) -> bool:
        return self.every_s is not None or self.daily_at is not None

    @property
    def speaks_kafka(self) -> bool:
        """By its event source or itself: it has a login of its own then."""
        return bool(self.sources or self.writes)

    @property
    def writes(self) -> tuple[str, ...]:
        """The topics that it may write: its events, and what it cannot process of its sources."""
        parked = (f"{source.topic}.dlq" for source in self.sources if self.dead_letters)
        return (*self.produces, *parked)


DLQ_RETENTION_DAYS = 30

TOPICS = (
    Topic("git-pushes", "project/ref", "A push that GitLab announced and we accepted"),
    Topic("api-changes", "tenant/api", "Somebody asks for an API to be changed in Git"),
    Topic("deploy-requests", "tenant/api", "One API is to be deployed to, or removed from, one environment"),
    Topic("deploy-results", "tenant/api", "How a deploy request ended"),
    Topic("api-created", "tenant/api", "An API appeared in Git"),
    Topic("api-updated", "tenant/api", "An API changed in Git"),
    Topic("api-deleted", "tenant/api", "An API is in Git no more"),
    Topic("notifications", "tenant/channel", "A message that people are to get", partitions=3),
    Topic(
        "audit-log",
        "event id, in the partition of the tenant",
        "Who did what, or was refused it",
        retention_days=365,
        cleanup="compact,delete",
    ),
)

EVENTS = tuple(topic.name for topic in TOPICS)

FUNCTIONS = (
    Function(
        "api",
        "HTTP: webhooks of GitLab and AWX, deployments, health",
        memory_mb=1024,
        timeout_s=29,
        http=True,
        produces=("git-pushes", "api-changes", "deploy-requests", "deploy-results", "audit-log"),
        grants=(
            "callers",
            "database",
            "kafka:write",
            "awx",
            "vault:systems",
            "opensearch:read",
            "gateway",
            "vault:gateways",
            "keycloak",
        ),
    ),
    Function(
        "api_changes_to_gitlab",
        "Writes what a person asked for to Git, in one commit, and makes its push known; its ticks end the overdue",
        timeout_s=120,
        sources=(Source("api-changes"),),
        every_s=60,
        produces=("git-pushes", "audit-log"),
        grants=("database", "kafka:write", "gitlab", "vault:systems"),
    ),
    Function(
        "git_pushes_to_deploy_requests",
        "Compares the push in GitLab and asks for one deployment per API and environment",
        timeout_s=120,
        sources=(Source("git-pushes"),),
        every_s=60,
        produces=("deploy-requests", "deploy-results", "api-created", "api-updated", "api-deleted", "audit-log"),
        grants=("database", "kafka:write", "gitlab", "vault:systems"),
    ),
    Function(
        "deploy_requests_to_awx",
        "Prepares the artefact, takes the lane, launches the AWX job",
        timeout_s=120,
        sources=(Source("deploy-requests"),),
        every_s=60,
        produces=("deploy-results",),
        grants=("database", "kafka:write", "gitlab", "awx", "vault:systems", "vault:subkeys"),
    ),
    Function(
        "deploy_results_to_status",
        "Closes the trace of a deployment: one row per result, with its times",
        sources=(Source("deploy-results"),),
        every_s=60,
        grants=("database", "kafka:write"),
    ),
    Function(
        "deploy_results_to_notifications",
        "Writes the messages that a tenant's channels are to get about a deployment",
        sources=(Source("deploy-results"),),
        every_s=60,
        produces=("notifications",),
        grants=("database", "kafka:write"),
    ),
    Function(
        "notifications_to_people",
        "Sends messages to Slack and by e-mail; a flood of them as a digest",
        timeout_s=120,
        sources=(Source("notifications"),),
        every_s=60,
        grants=("database", "kafka:write", "vault:channels", "ses"),
    ),
    Function(
        "api_events_to_argocd",
        "Syncs the Argo CD application of an API; its ticks follow a sync until it is over",
        timeout_s=120,
        sources=(Source("api-created"), Source("api-updated"), Source("api-deleted")),
        every_s=60,
        grants=("database", "kafka:write", "argocd"),
    ),
    Function(
        "events_to_search",
        "Indexes every event, once, and keeps one document per deployment",
        timeout_s=120,
        sources=_each(*EVENTS, batch_size=200, window_s=1.0),
        grants=("database", "kafka:write", "opensearch:write"),
    ),
    Function(
        "events_to_archive",
        "Writes every record of every topic to S3, each offset once; its ticks sign checkpoints of audit-log",
        timeout_s=120,
        sources=_each(*EVENTS, batch_size=1000, window_s=5.0),
        every_s=60,
        grants=("database", "s3:archive", "secret:audit-signing-key"),
        dead_letters=False,
    ),
    Function(
        "awx_reconciler",
        "Reads unfinished jobs back from AWX, so that a lost notification loses nothing; asks again for what AWX or"
        " the gateway lost",
        timeout_s=60,
        every_s=60,
        produces=("deploy-requests", "deploy-results"),
        grants=("database", "kafka:write", "awx", "vault:systems"),
    ),
    Function(
        "gitlab_reconciler",
        "Looks where each project's default branch is, so that a webhook that never came loses nothing",
        timeout_s=120,
        every_s=300,
        produces=("git-pushes",),
        grants=("database", "kafka:write", "gitlab", "vault:systems"),
    ),
    Function(
        "keycloak_reconciler",
        "Gives the members of tenants the roles that Git says, takes back all others, and finishes ends of sessions",
        timeout_s=120,
        every_s=60,
        produces=("audit-log",),
        grants=("database", "kafka:write", "keycloak"),
    ),
    Function(
        "outbox_relay",
        "Publishes what a request had to leave in the outbox, and a heartbeat on audit-log; removes idle rate limits",
        timeout_s=60,
        every_s=60,
        produces=EVENTS,
        grants=("database", "kafka:write"),
    ),
    Function(
        "nightly_cleanup",
        "Removes what the inbox and the outbox need no more: stoa/lifecycle/model.py says when that is",
        timeout_s=300,
        daily_at=2,
        grants=("database",),
    ),
)


def topics_with_dlq() -> tuple[Topic, ...]:
    """Every topic to create, dead-letter topics included."""
    parked = (
        Topic(f"{t.name}.dlq", t.key, f"Records of {t.name} that cannot be processed, with the reason",
              partitions=t.partitions, retention_days=DLQ_RETENTION_DAYS, dlq=False)
        for t in TOPICS if t.dlq
    )  # fmt: skip
    return (*TOPICS, *parked)
