"""What the indices look like: strict for the fields we know, closed to the rest. Pure data.

Rendered for ordinary indices only, which OpenSearch and its local stand-in both have (see model.py for why no data
streams). A change of any field raises VERSION; indices that are there already get the fields that are new, for the
documents to come. What else changes needs `stoa replay`, which makes them anew.
"""

from typing import Any

from stoa.search.model import ANALYTICS, AUDIT, EVENTS, TRACES

VERSION = 2
PRIORITY = 200
AUDIT_POLICY = "stoa-audit-one-year"

KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}  # Lucene refuses a term above 32766 bytes
LONG: dict[str, Any] = {"type": "long"}
DATE: dict[str, Any] = {"type": "date"}
FLAG: dict[str, Any] = {"type": "boolean"}


def _keywords(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, KEYWORD)


_DEPLOYMENT = {
    "@timestamp": DATE,
    **_keywords(
        "trace_id", "deployment_id", "tenant_id", "api_id", "api_name", "api_version", "environment", "action",
        "trigger_type", "error_code",
    ),
    "generation": LONG,
    "verified": FLAG,
}  # fmt: skip
_EVENT = {
    "@timestamp": DATE,
    **_keywords(
        "event_id", "topic", "key", "type", "subject", "tenant_id", "actor", "trace_id", "deployment_id",
        "api_name", "environment", "git_commit_sha",
    ),
    "partition": LONG,
    "offset": LONG,
    "generation": LONG,
    "data": {"type": "object", "enabled": False},
}  # fmt: skip
_STEP = {**_keywords("name", "status"), "started_at": DATE, "completed_at": DATE}

FIELDS: dict[str, dict[str, Any]] = {
    "stoa-events": _EVENT,
    "stoa-audit-events": {**_EVENT, **_keywords("action", "outcome")},
    "apim-traces": {
        **_DEPLOYMENT,
        **_keywords("requested_by", "git_author", "git_commit_sha", "status"),
        "git_project": LONG,
        "awx_job_id": LONG,
        "total_duration_ms": LONG,
        "created_at": DATE,
        "completed_at": DATE,
        "error_summary": {"type": "text"},
        "steps": {"properties": _STEP},
    },
    "apim-analytics": {**_DEPLOYMENT, **_keywords("event_id", "outcome"), "duration_ms": LONG},
}  # fmt: skip

# template -> its indices, and the component that has its fields
INDICES = {
    "stoa-events": (EVENTS, "stoa-events"),
    "stoa-audit": (AUDIT, "stoa-audit-events"),
    "stoa-traces": (TRACES, "apim-traces"),
    "stoa-analytics": (ANALYTICS, "apim-analytics"),
}
PATTERNS = ",".join(f"{prefix}*" for prefix, _ in INDICES.values())


def component_templates() -> dict[str, dict[str, Any]]:
    settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
    return {
        name: {
            "version": VERSION,
            "template": {"settings": settings, "mappings": {"dynamic": "strict", "properties": fields}},
        }
        for name, fields in FIELDS.items()
    }


def index_templates() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "index_patterns": [f"{prefix}*"],
            "priority": PRIORITY,
            "version": VERSION,
            "composed_of": [component],
        }
        for name, (prefix, component) in INDICES.items()
    }


def audit_policy() -> dict[str, Any]:
    """Deletes a month of audit events when its last day is a year ago: the age counts from the first."""
    gone = {"state_name": "gone", "conditions": {"min_index_age": "396d"}}
    return {
        "description": f"audit events are kept for a year ({VERSION})",
        "default_state": "kept",
        "states": [
            {"name": "kept", "actions": [], "transitions": [gone]},
            {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
        ],
        "ism_template": [{"index_patterns": [f"{AUDIT}*"], "priority": PRIORITY}],
    }
