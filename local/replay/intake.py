"""From a line of the history to a row of what is staged: the records that a consumer would take, and nothing else.

This runs once per event, beside PostgreSQL: what our own producers write is checked in a few steps; anything odd goes
the long way, through the consumers' own reading.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from types import NoneType
from typing import Any

from stoa.archive.model import Line, as_record
from stoa.deployments.events import REQUESTS, RESULTS, read_finished
from stoa.deployments.model import RESULT_STATUS
from stoa.gitops.events import PUSHES
from stoa.kernel.envelope import REQUIRED_HEADERS, Message, decode
from stoa.kernel.errors import Refused

Cell = str | int | None
Row = tuple[Cell, ...]
Fields = tuple[tuple[str, str, tuple[type, ...]], ...]

_told = itemgetter(*REQUIRED_HEADERS)
_TOLD = (str,) * len(REQUIRED_HEADERS)
_parse = json.JSONDecoder().raw_decode
_dump = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_text, _number, _maybe = (str,), (int,), (str, NoneType)

# of the value: the field, its type in SQL, its type in JSON. What is an object in JSON comes last.
_ASKED: Fields = (
    ("event_id", "text", _text),
    ("deployment_id", "text", _text),
    ("tenant", "text", _text),
    ("api_id", "text", _text),
    ("environment", "text", _text),
    ("action", "text", _text),
    ("generation", "bigint", _number),
    ("project_id", "bigint", _number),
    ("commit", "text", _text),
    ("triggered_by", "text", _text),
    ("requested_by", "text", _text),
    ("trace_id", "text", _text),
    ("requested_at", "timestamptz", _text),
)
_ENDED: Fields = (
    *_ASKED,
    ("status", "text", _text),
    ("api_version", "text", _maybe),
    ("awx_job_id", "bigint", (int, NoneType)),
    ("finished_at", "timestamptz", _text),
    ("gateway_response", "jsonb", (dict, NoneType)),
    ("error", "jsonb", (dict, NoneType)),
)
_API: Fields = (
    ("event_id", "text", _text),
    ("tenant", "text", _text),
    ("api_id", "text", _text),
    ("generation", "bigint", _number),
    ("project_id", "bigint", _number),
    ("commit", "text", _text),
    ("created_at", "timestamptz", _text),
    ("created_by", "text", _text),
    ("updated_at", "timestamptz", _text),
    ("updated_by", "text", _text),
    ("display_name", "text", _text),
    ("description", "text", _text),
    ("owner", "text", _maybe),
    ("version", "text", _maybe),
    ("operations", "text", _text),
)
_SAID: Fields = (
    ("environments", "jsonb", (list,)),
    ("tags", "jsonb", (list,)),
    ("lifecycle", "jsonb", (dict,)),
)
_DELETED: Fields = (("timestamp", "timestamptz", _text), ("deleted_by", "text", _text))
_PUSHED: Fields = (
    ("event_id", "text", _text),
    ("push_id", "text", _text),
    ("project_id", "bigint", _number),
    ("ref", "text", _text),
    ("before", "text", _text),
    ("after", "text", _text),
    ("pusher", "text", _text),
    ("trace_id", "text", _text),
    ("received_at", "timestamptz", _text),
)


@dataclass(frozen=True)
class Intake:
    """How the values of one topic become rows. `objects` counts the last fields, which are JSON."""

    topic: str
    fields: Fields
    take: Callable[[Message], dict[str, Any]]
    objects: int = 0

    @property
    def columns(self) -> str:
        return ", ".join(f'"{name}" {kind}' for name, kind, _ in self.fields)

    def reader(self) -> Callable[[Line], Row | None]:
        """A function of a line; None for a record that consumers refuse."""
        names = [name for name, _, _ in self.fields]
        pick, known, objects = (
            itemgetter(*names),
            frozenset(product(*(types for *_, types in self.fields))),
            self.objects,
        )

        def read(line: Line) -> Row | None:
            try:
                data = _plain(line)
                row: tuple[Any, ...] = pick(data)
                if tuple(map(type, row)) in known and _consistent(line, data):
                    return (*row[:-objects], *map(_json, row[-objects:])) if objects else row
            except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
                pass
            return self._slowly(line, names)

        return read

    def _slowly(self, line: Line, names: list[str]) -> Row | None:
        try:
            data = self.take(decode(as_record(line)))
        except Refused:
            return None
        return tuple(cell if isinstance(cell, Cell) else _dump(cell) for cell in map(data.get, names))


def _plain(line: Line) -> dict[str, Any]:
    """The value of an event as our producers write it. Raises one of many errors for any other."""
    headers, key, value = line["headers"], line["key"], line["value"]
    told = _told(headers)
    if not (tuple(map(type, told)) == _TOLD and all(told) and key.isascii() and value.isascii()):
        raise ValueError(line)
    data, end = _parse(value)
    if end != len(value) or type(data) is not dict or not headers.get("ce_generation", "0").isdigit():
        raise ValueError(line)
    return data


def _consistent(line: Line, data: dict[str, Any]) -> bool:
    """What read_finished looks at beside types; a push has neither, an API no action."""
    tenant = data.get("tenant")
    return tenant is None or (
        tenant == line["headers"].get("ce_tenant")
        and data.get("action", "deploy") in ("deploy", "undeploy")
        and data.get("status", "success") in _STATUSES
    )


_STATUSES = frozenset(RESULT_STATUS.values())


def _json(value: Any) -> str | None:
    return None if value is None else _dump(value)


def _any(message: Message) -> dict[str, Any]:
    return message.data


RESULT_INTAKE = Intake(RESULTS, _ENDED, read_finished, objects=2)
REQUEST_INTAKE = Intake(REQUESTS, _ASKED, _any)
PUSH_INTAKE = Intake(PUSHES, _PUSHED, _any)
API_INTAKES = (
    Intake("api-created", (*_API, *_SAID), _any, objects=len(_SAID)),
    Intake("api-updated", (*_API, *_SAID), _any, objects=len(_SAID)),
    Intake("api-deleted", (*_API, *_DELETED, *_SAID), _any, objects=len(_SAID)),
)
