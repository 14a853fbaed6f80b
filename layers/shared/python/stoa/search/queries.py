"""How a trace is found: from the index by one word, from PostgreSQL page by page. One method per read route."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stoa.gitops.events import PUSH_ACCEPTED
from stoa.kernel.clock import iso
from stoa.kernel.database import Connection, Database, Row
from stoa.search import store
from stoa.search.model import AUDIT, EVENTS, TRACES

if TYPE_CHECKING:  # the list of traces needs no client of OpenSearch
    from stoa.adapters.opensearch import OpenSearch

COMMIT = re.compile(r"[0-9a-f]{7,64}")
TRACE = re.compile(r"[0-9a-f]{32}")
NEWEST_FIRST = [{"@timestamp": "desc"}, {"trace_id": "desc"}]
AUDIT_FIELDS = {
    "tenant": "tenant_id",
    "actor": "actor",
    "action": "action",
    "resource": "subject",
    "outcome": "outcome",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# when something was begun, and in which trace; of an audit event its time and id
Position = tuple[datetime, str]


@dataclass(frozen=True)
class Found:
    """`more` is the position to go on from; None at the end."""

    trace_ids: list[str]
    more: Position | None


@dataclass(frozen=True)
class SearchQueries:
    """Raises Transient when OpenSearch is away."""

    opensearch: "OpenSearch"

    def traces(self, q: str, tenant: str | None, before: Position | None, limit: int) -> Found:
        """GET /v1/traces/search -> traces with a push or a deployment that `q` names, those with the newest first.

        `q` is the id of a trace or a deployment, a commit of 7 digits or more, an API, or whoever asked for it. A
        trace stands where its newest match stands, once.
        """
        clauses, found = _clauses(q, tenant), list[Position]()
        while True:
            hits = self._newest([*clauses, *_older(before)], limit + 1)
            shown = self._shown(clauses, hits, before) if before else set()
            found += [hit for hit in hits if hit[1] not in shown]
            if len(found) > limit:
                return Found([trace_id for _, trace_id in found[:limit]], found[limit - 1])
            if len(hits) <= limit:
                return Found([trace_id for _, trace_id in found], None)
            before = hits[-1]

    def audit(self, filters: Mapping[str, Any], before: Position | None, limit: int) -> list[tuple[Position, Row]]:
        """GET /v1/audit -> audit events that all `filters` hold for, the newest first, each with its position.

        A resource that ends with / is all below it; `since` is included, `until` is not.
        """
        body = {
            "query": {"bool": {"filter": [*_audit_clauses(filters), *_older(before, "event_id")]}},
            "sort": [{"@timestamp": "desc"}, {"event_id": "desc"}],
            "size": limit,
            "track_total_hits": False,
        }
        hits = self.opensearch.search(f"{AUDIT}*", body)
        return [((EPOCH + timedelta(milliseconds=hit["sort"][0]), hit["sort"][1]), hit["_source"]) for hit in hits]

    def _shown(self, clauses: list[Any], hits: Sequence[Position], before: Position) -> set[str]:
        """Those whose newest match stands before this page: what is on it are their older ones."""
        ids = [trace_id for _, trace_id in hits]
        newest = self._newest([*clauses, {"terms": {"trace_id": ids}}], len(ids)) if ids else []
        return {trace_id for at, trace_id in newest if (at, trace_id) >= before}

    def _newest(self, clauses: list[Any], size: int) -> list[Position]:
        """Each trace at its newest match. OpenSearch takes no `search_after` beside `collapse`."""
        body = {
            "query": {"bool": {"filter": clauses}},
            "sort": NEWEST_FIRST,
            "collapse": {"field": "trace_id"},
            "size": size,
            "_source": False,
            "track_total_hits": False,
        }
        hits = self.opensearch.search(f"{TRACES}*,{EVENTS}*", body)
        return [(EPOCH + timedelta(milliseconds=hit["sort"][0]), hit["sort"][1]) for hit in hits]


@dataclass(frozen=True)
class TraceRow:
    """`push` is None for what was started by hand."""

    trace_id: str
    push: Row | None
    deployments: list[Row]


@dataclass(frozen=True)
class TraceQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def page(self, before: Position | None, limit: int, filters: Mapping[str, str]) -> list[TraceRow]:
        """GET /v1/traces -> the traces that began last, the newest first. With a tenant, only what is its own."""
        with self.database.transaction(admin_read=True) as connection:
            return _rows(connection, store.page(connection, before, limit, filters), filters.get("tenant"))

    def some(self, trace_ids: Sequence[str], tenant: str | None) -> list[TraceRow]:
        """GET /v1/traces/search -> these, as they are now, in this order; without those that are not there. With a
        tenant, only what is its own."""
        with self.database.transaction(admin_read=True) as connection:
            return _rows(connection, trace_ids, tenant)


def _rows(connection: Connection, trace_ids: Sequence[str], tenant: str | None) -> list[TraceRow]:
    """A push belongs to no tenant, and is shown to one beside its deployments only."""
    pushes, deployments = store.pushes(connection, trace_ids), store.deployments(connection, trace_ids, tenant)
    rows = [TraceRow(one, pushes.get(one), deployments[one]) for one in trace_ids]
    return [row for row in rows if row.deployments or (row.push and tenant is None)]


def _clauses(q: str, tenant: str | None) -> list[dict[str, Any]]:
    """Documents of deployments, which have no `type`, and pushes; those of the tenant that are what `q` says."""
    one_of: list[dict[str, Any]] = [
        {"term": {"trace_id": f"trc-{q.lower()}" if TRACE.fullmatch(q.lower()) else q.lower()}},
        {"term": {"deployment_id": q.lower()}},
        {"term": {"api_name": q.lower()}},
        {"term": {"requested_by": q}},
        {"bool": {"filter": [{"term": {"type": PUSH_ACCEPTED}}, {"term": {"actor": q}}]}},
    ]
    if COMMIT.fullmatch(q.lower()):
        one_of.append({"prefix": {"git_commit_sha": q.lower()}})
    kinds = [{"term": {"type": PUSH_ACCEPTED}}, {"bool": {"must_not": [{"exists": {"field": "type"}}]}}]
    clauses: list[dict[str, Any]] = [
        {"exists": {"field": "trace_id"}},
        {"bool": {"should": kinds, "minimum_should_match": 1}},
        {"bool": {"should": one_of, "minimum_should_match": 1}},
    ]
    return [*clauses, {"term": {"tenant_id": tenant}}] if tenant else clauses


def _audit_clauses(filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    clauses: list[dict[str, Any]] = [{"exists": {"field": "event_id"}}]
    for name, field in AUDIT_FIELDS.items():
        if name in filters:
            below = name == "resource" and filters[name].endswith("/")
            clauses.append({"prefix" if below else "term": {field: filters[name]}})
    times = {bound: iso(filters[name]) for name, bound in (("since", "gte"), ("until", "lt")) if name in filters}
    return [*clauses, {"range": {"@timestamp": times}}] if times else clauses


def _older(before: Position | None, name: str = "trace_id") -> list[dict[str, Any]]:
    """`name` is the field that orders what is of the same time."""
    if before is None:
        return []
    at = iso(before[0])
    same = [{"term": {"@timestamp": at}}, {"range": {name: {"lt": before[1]}}}]
    older = [{"range": {"@timestamp": {"lt": at}}}, {"bool": {"filter": same}}]
    return [{"bool": {"should": older, "minimum_should_match": 1}}]
