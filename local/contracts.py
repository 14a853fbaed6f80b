"""Writes what is generated: events/, openapi/stoa.json, the tables of docs/flows.md, the dashboards.

`python -m local.contracts` writes them; with `--check` it writes nothing and fails when one is stale.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from cdk.observability import dashboards, functions
from cdk.wiring import FUNCTIONS, Function, Topic, topics_with_dlq
from functions.api.app import build
from functions.api.problems import CHALLENGE_HEADERS, LIMIT_HEADERS, Problem
from stoa.audit.events import ACTED, AUDIT_LOG, Acted
from stoa.authoring.events import ASKED, CHANGES, ChangeAsked
from stoa.deployments.events import FINISHED, REQUESTED, DeployFinished, DeployRequested
from stoa.gitops.events import API_EVENTS, PUSH_ACCEPTED, ApiCreated, ApiDeleted, ApiUpdated, PushAccepted
from stoa.notifications.events import WANTED, NotificationWanted

ROOT = Path(__file__).resolve().parents[1]
VALUES: dict[str, tuple[str, Any]] = {
    "git-pushes": (PUSH_ACCEPTED, PushAccepted),
    CHANGES: (ASKED, ChangeAsked),
    "deploy-requests": (REQUESTED, DeployRequested),
    "deploy-results": (FINISHED, DeployFinished),
    "api-created": (API_EVENTS["api-created"], ApiCreated),
    "api-updated": (API_EVENTS["api-updated"], ApiUpdated),
    "api-deleted": (API_EVENTS["api-deleted"], ApiDeleted),
    "notifications": (WANTED, NotificationWanted),
    AUDIT_LOG: (ACTED, Acted),
}
HEADERS = {
    "content-type": "always application/json",
    "ce_specversion": "always 1.0",
    "ce_id": "event id, the same at every redelivery",
    "ce_type": "what happened",
    "ce_source": "who says so",
    "ce_time": "when it was committed",
    "ce_subject": "what it is about",
    "ce_partitionkey": "the message key",
    "ce_generation": "counts the subject; a consumer with one row per subject ignores an older one",
    "ce_tenant": "whose it is; _platform for our own",
    "ce_actor": "who caused it, a stable id",
    "ce_traceparent": "W3C trace context",
}
DEAD_LETTER = "stoa.dead-letter"
DLQ_HEADERS = {
    "dlq_topic": "where the record was read",
    "dlq_partition": "its partition there",
    "dlq_offset": "its offset there",
    "dlq_consumer": "the consumer group that could not process it",
    "dlq_code": "why, a stable code",
    "dlq_reason": "why, in a sentence",
    "dlq_tries": "how often it was tried",
    "dlq_at": "when it was set aside",
}


def schema(topic: str) -> dict[str, Any]:
    """The JSON Schema of a topic's value."""
    kind, value = VALUES[topic]
    made = TypeAdapter(value).json_schema()
    made["properties"] = {"event_id": {"title": "Event Id", "type": "string"}, **made["properties"]}
    made["required"] = ["event_id", *made["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind, **_without(made, "title")}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3: a channel per topic, who sends and who receives."""
    channels = {t.name: _channel(t) for t in topics_with_dlq()}
    operations = {}
    for function in FUNCTIONS:
        for name in function.writes:
            operations[f"{function.name}.sends.{name}"] = _operation("send", name)
        for source in function.sources:
            operations[f"{function.name}.receives.{source.topic}"] = _operation("receive", source.topic)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "STOA Platform events", "version": "2.0.0"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
    }


def openapi() -> dict[str, Any]:
    """The HTTP contract, with the schema and the headers that refusals refer to."""
    made: dict[str, Any] = build().openapi()
    made["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    made["components"]["headers"] = {**CHALLENGE_HEADERS, **LIMIT_HEADERS}
    return made


def flows() -> str:
    """The tables of docs/flows.md."""
    rows = ["| function | started by | does | then |", "|---|---|---|---|"]
    rows += [f"| `{f.name}` | {_triggers(f)} | {f.summary} | {_names(f.writes)} |" for f in FUNCTIONS]
    rows += ["", "| topic | key | partitions | retention | clean-up | what it says |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{t.name}` | {t.key} | {t.partitions} | {t.retention_days} d | {t.cleanup} | {t.summary} |"
        for t in topics_with_dlq()
    ]
    return "\n".join(rows)


def contracts() -> dict[Path, str]:
    """Every generated file with its text."""
    page = ROOT / "docs/flows.md"
    marked = re.sub(
        r"(<!-- wiring -->\n).*?(\n<!-- /wiring -->)",
        lambda found: found[1] + flows() + found[2],
        page.read_text(),
        flags=re.DOTALL,
    )
    made = {ROOT / f"events/{name}.schema.json": _json(schema(name)) for name in VALUES}
    made[ROOT / "events/asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, width=110)
    made[ROOT / "openapi/stoa.json"] = _json(openapi())
    made[page] = marked
    folder = ROOT / "cdk/observability/dashboards"
    made |= {folder / f"{name}.json": _json(one) for name, one in dashboards.documents().items()}
    made[ROOT / "cdk/platform/charts/observability/files/functions.json"] = _json(functions.document())
    return made


def main(arguments: list[str]) -> int:
    stale = [path for path, text in contracts().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"stale: {path.relative_to(ROOT)}: run `make contracts` and commit it", file=sys.stderr)
        return 1 if stale else 0
    for path, text in contracts().items():
        path.write_text(text)
    print(f"wrote {len(stale)} changed contracts")
    return 0


def _channel(topic: Topic) -> dict[str, Any]:
    kafka = {"topic": topic.name, "partitions": topic.partitions, "topicConfiguration": _configuration(topic)}
    return {
        "address": topic.name,
        "description": f"{topic.summary}. Key: {topic.key}.",
        "messages": _dead_letter() if topic.name not in VALUES else _message(topic.name),
        "bindings": {"kafka": {**kafka, "bindingVersion": "0.5.0"}},
    }


def _message(topic: str) -> dict[str, Any]:
    headers = {**_headers(HEADERS), "required": list(HEADERS)}
    return {VALUES[topic][0]: {"headers": headers, "payload": {"$ref": f"./{topic}.schema.json"}}}


def _dead_letter() -> dict[str, Any]:
    """The record as it came, so that its headers and its value may be anything, and why it is here."""
    headers = {**_headers({**HEADERS, **DLQ_HEADERS}), "required": list(DLQ_HEADERS)}
    return {DEAD_LETTER: {"headers": headers, "payload": {"description": "as it came; it need not be JSON"}}}


def _headers(described: dict[str, str]) -> dict[str, Any]:
    return {"type": "object", "properties": {k: {"type": "string", "description": v} for k, v in described.items()}}


def _configuration(topic: Topic) -> dict[str, Any]:
    return {"cleanup.policy": topic.cleanup.split(","), "retention.ms": topic.retention_days * 86_400_000}


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _triggers(function: Function) -> str:
    said = ["HTTP"] if function.http else []
    said += [f"`{s.topic}`, up to {s.batch_size} records" for s in function.sources]
    if function.every_s:
        said.append(f"every {function.every_s} s")
    if function.daily_at is not None:
        said.append(f"every day at {function.daily_at:02}:00 UTC")
    return "; ".join(said)


def _names(topics: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in topics) or "-"


def _without(made: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in made.items() if k != key}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
