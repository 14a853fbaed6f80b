"""Every table: what a replay rebuilds from the events, and what only the work of the moment needs. Pure data.

See docs/adr/0009-what-a-replay-rebuilds.md. A new table is named here, or a test fails.
"""

from dataclasses import dataclass


def _utc(column: str) -> str:
    """As kernel/clock.py writes it on an event: the rows have microseconds, the events have not."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def _when_final(column: str) -> str:
    """Of an unfinished one no event says it yet."""
    return f"CASE WHEN finished_at IS NOT NULL THEN {column} END"


@dataclass(frozen=True)
class Projection:
    """A table, or that part of one, which events carry: `columns` are SQL over its rows, and what is hashed.

    `topics` hold the events, `key` is the primary key. `tenant` says whether row-level security guards it.
    """

    table: str
    key: str
    topics: tuple[str, ...]
    columns: tuple[str, ...]
    tenant: bool = True


DEPLOYMENTS = Projection(
    "deployments",
    "id",
    ("deploy-requests", "deploy-results"),
    (
        "id", "tenant", "api", "environment", "action", "generation", "project_id", "commit_sha", "trigger",
        "requested_by", "trace_id", _utc("requested_at"),
        "CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE state END",
        *map(_when_final, ("api_version", "awx_job_id", "result", "error")), _utc("finished_at"),
    ),
)  # fmt: skip
API_STATUS = Projection(
    "api_status",
    "tenant, api, environment",
    ("deploy-results",),
    (
        "tenant", "api", "environment", "generation", "deployment_id", "status", "serving_generation",
        "serving_deployment_id", "serving_version", "serving_commit", _utc("updated_at"),
    ),
)  # fmt: skip
PUSHES = Projection(
    "pushes",
    "id",
    ("git-pushes",),
    ("id", "project_id", "ref", "before_sha", "after_sha", "pusher", "trace_id", _utc("received_at")),
    tenant=False,
)
APIS = Projection(
    "apis",
    "tenant, api",
    ("api-created", "api-updated", "api-deleted"),
    (
        "tenant", "api", "generation", "project_id", "commit_sha", "environments", _utc("created_at"), "created_by",
        _utc("updated_at"), "updated_by", _utc("deleted_at"), "deleted_by", "display_name", "description", "tags",
        "owner", "version", "operations", "lifecycle",
    ),
)  # fmt: skip
PROJECTIONS = (DEPLOYMENTS, API_STATUS, PUSHES, APIS)

# why each is none
OPERATIONAL = {
    "api_changes": "what people asked the platform to write to Git; Git and the events of the API say what came of it",
    "archive_ledger": "how far the archive is; its objects say the same",
    "artefacts": "made again from Git: a commit and its variables give the same document",
    "attempts": "tries of records that are not done",
    "audit_chains": "how far the chain of audit-log is signed; its checkpoints say the same",
    "audit_links": "digests of what the archive keeps; its objects give the same",
    "change_counters": "numbers for readers who look at this database",
    "changes": "numbers for readers who look at this database",
    "consumer_progress": "when a consumer last got something done",
    "deployment_steps": "how a deployment went on, for who watches it; the result says how it ended",
    "ended_sessions": "refused tokens: the issuer ended their sessions, or tenants says that theirs is closed",
    "generations": "counters; the newest generation of a lane is on its events",
    "inbox": "which events were done",
    "lanes": "leases: which job runs, which launch may still arrive",
    "member_changes": "what is about to be changed in Keycloak",
    "member_syncs": "how far Keycloak is with the members that Git has",
    "notification_channels": "settings, which no event carries yet",
    "notifications": "which messages were sent; a replay sends none",
    "outbox": "events on their way to Kafka",
    "parked": "records that wait for their key",
    "project_heads": "the commit that is processed; Git and the pushes say it again",
    "project_tenants": "registrations: settings, which no event carries yet",
    "rate_limits": "how many requests callers have left; a bucket that is forgotten is full",
    "rollouts": "how far Argo CD is with an API",
    "session_ends": "sessions that Keycloak is to end",
    "started_by_hand": "idempotency keys of callers",
    "tenant_members": "the members that Git has, and how far Keycloak is with each",
    "tenants": "registrations: settings, which no event carries yet",
    "waiting_keys": "keys that wait",
}
