"""The texts of messages: plain files beside this one, filled in. Pure but for reading them.

`<name>.slack.json` is Block Kit, filled string by string, so that no value can become structure or markup;
`<name>.subject.txt` is one line, also of a digest; `<name>.body.txt` the text of a mail. What has places for values,
and no value for any of them, is left out: a string with the block around it, a line of a text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from stoa.adapters.slack import FIELD, HEADER, SECTION, escaped, fitted
from stoa.notifications.model import LINES, TYPES

NAMES = frozenset(TYPES)
FOLDER = Path(__file__).parent
LIMITS = {"header": HEADER, "fields": FIELD, "elements": FIELD}
LONGEST_LINE, LONGEST_TEXT = 150, 1_500
COMMIT_CHARACTERS = 8
UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
SPACES = re.compile(r"\s+")

Values = Mapping[str, str]


def of_deployment(data: Mapping[str, Any], trace_id: str, event_id: str) -> Values:
    """The values of a message about a deployment; whatever is missing is empty."""
    error = data.get("error")
    fault: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    api, environment = line(data.get("api_id")), line(data.get("environment"))
    deploys = data.get("action") != "undeploy"
    return {
        "what": f"Deployment of {api} to {environment}" if deploys else f"Removal of {api} from {environment}",
        "api": api,
        "environment": environment,
        "status": line(data.get("status")),
        "version": line(data.get("api_version")),
        "commit": line(data.get("commit"))[:COMMIT_CHARACTERS],
        "by": line(data.get("requested_by")),
        "trigger": line(data.get("triggered_by")),
        "duration": duration(data.get("duration_ms")),
        "finished_at": line(data.get("finished_at")),
        "error_code": line(fault.get("code")),
        "error_detail": text(fault.get("detail")),
        "error_hint": text(fault.get("hint")),
        "error_place": line(fault.get("place")),
        "deployment_id": line(data.get("deployment_id")),
        "trace_id": line(trace_id),
        "event_id": line(event_id),
    }


def of_digest(channel: str, event_id: str, counts: Mapping[str, int], lines: Sequence[str]) -> Values:
    """The values of a digest: how many messages of each type, and what the first of them say."""
    total = sum(counts.values())
    shown = lines[:LINES]
    return {
        "channel": channel,
        "event_id": event_id,
        "count": str(total),
        "counts": ", ".join(f"{number} {kind.removeprefix('deploy_')}" for kind, number in counts.items()),
        "lines": "\n".join(shown),
        "more": str(total - len(shown)) if total > len(shown) else "",
    }


def slack(name: str, values: Values) -> dict[str, Any]:
    """The body of a POST to an incoming webhook."""
    made = _filled(json.loads(_file(f"{name}.slack.json")), {key: escaped(value) for key, value in values.items()}, 0)
    return dict(made)


def subject(name: str, values: Values) -> str:
    return line(Template(_file(f"{name}.subject.txt")).substitute(values))


def body(name: str, values: Values) -> str:
    lines = (_with_values(each, values) for each in _file(f"{name}.body.txt").splitlines())
    return "\n".join(each for each in lines if each is not None) + "\n"


def digest_line(name: str, values: Values) -> str:
    """What a digest says of one message."""
    return f"{subject(name, values)[:LONGEST_LINE]} ({values['trace_id']})"


def line(value: object) -> str:
    """One line that any mail, message or database can hold."""
    return SPACES.sub(" ", text(value)).strip()[:LONGEST_LINE]


def text(value: object) -> str:
    said = str(value) if isinstance(value, str | int) else ""
    return UNWRITABLE.sub(" ", said[:LONGEST_TEXT])


def duration(ms: object) -> str:
    if type(ms) is not int or ms < 0:
        return ""
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


@cache
def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _with_values(pattern: str, values: Values) -> str | None:
    made = Template(pattern)
    names = made.get_identifiers()
    return None if names and not any(values[name] for name in names) else made.substitute(values)


def _filled(node: Any, values: Values, limit: int) -> Any:
    """None for what has no value for any of its places; `limit` is of the part of the message it stands in."""
    if isinstance(node, str):
        made = _with_values(node, values)
        return made if made is None else fitted(made, limit or SECTION)
    if isinstance(node, list):
        kept = [made for each in node if (made := _filled(each, values, limit)) is not None]
        return kept or None
    if isinstance(node, dict):
        limit = LIMITS.get(node.get("type", ""), limit)
        parts = {key: _filled(each, values, LIMITS.get(key, limit)) for key, each in node.items()}
        return None if None in parts.values() else parts
    return node
