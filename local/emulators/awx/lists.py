"""Lists, single objects and OPTIONS of every kind."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from local.emulators.awx.answers import Json, answer, detail
from local.emulators.awx.awx import Awx
from local.emulators.awx.documents import document
from local.emulators.awx.fields import KINDS, PROMPTS, TEMPLATE_DEFAULTS, Kind
from local.emulators.awx.filters import Condition, conditions, order

PAGE_SIZE, MAX_PAGE_SIZE = 25, 200


@dataclass(frozen=True)
class Scope:
    """The part of a table that a nested list shows."""

    sql: str = "1"
    values: tuple[Any, ...] = ()


def page(awx: Awx, request: Request, table: str, scope: Scope | None = None) -> Response:
    kind, query = KINDS[table], request.query_params
    scope = scope or Scope()
    wanted = Condition(scope.sql, list(scope.values)).also(conditions(kind, query.multi_items()))
    if "search" in query:
        wanted = wanted.also(Condition("instr(lower(json_extract(t.body, '$.name')), lower(?)) > 0", [query["search"]]))
    size, number = _size(query), _number(query)
    sorting = order(kind, query.get("order_by", query.get("order", "")))
    sql = f"SELECT t.id, t.body FROM {table} t WHERE {wanted.sql} ORDER BY {sorting} LIMIT ? OFFSET ?"
    rows = list(awx.store.select(sql, [*wanted.values, size, (number - 1) * size]))
    results = [document(awx, table, row, in_list="no_truncate" not in query) for row in rows]
    if "limit" in query and table == "job_events":
        return answer({"next": None, "previous": None, "results": results})
    if "count_disabled" in query:
        return answer({"results": results})
    count = awx.store.count(f"SELECT count(*) FROM {table} t WHERE {wanted.sql}", wanted.values)
    if number > 1 and not rows:
        raise detail(404, "Invalid page.")
    following = _link(request, number + 1) if number * size < count else None
    previous = _link(request, number - 1) if number > 1 else None
    return answer({"count": count, "next": following, "previous": previous, "results": results})


def _size(query: QueryParams) -> int:
    text = query.get("limit", query.get("page_size", ""))
    return min(int(text), MAX_PAGE_SIZE) if text.isdigit() and int(text) else PAGE_SIZE


def _number(query: QueryParams) -> int:
    text = query.get("page", "1")
    if not text.isdigit() or int(text) < 1:
        raise detail(404, "Invalid page.")
    return int(text)


def _link(request: Request, number: int) -> str:
    others = [(key, value) for key, value in request.query_params.multi_items() if key != "page"]
    return f"{request.url.path}?{urlencode([*others, ('page', number)])}"


def options(table: str, methods: list[str]) -> Response:
    """What the command line builds its arguments from."""
    kind = KINDS[table]
    shown = {
        name: {"type": type_of, "label": _label(name), "filterable": name not in kind.hidden}
        for name, type_of in kind.fields.items()
    }
    actions: Json = {"GET": shown}
    if "POST" in methods:
        actions["POST"] = {name: _input(kind, name) for name in kind.writable}
    return described(_label(kind.table), actions, methods, [kind.type])


def described(name: str, actions: Json, methods: list[str], types: list[str]) -> Response:
    body = {
        "name": name,
        "description": f"# {name}",
        "renders": ["application/json", "text/html"],
        "parses": ["application/json"],
        "types": types,
        "search_fields": ["name", "description"],
        "related_search_fields": [],
        "object_roles": [],
        "max_page_size": MAX_PAGE_SIZE,
        "actions": actions,
    }
    return answer(body, headers={"allow": ", ".join(sorted([*methods, "HEAD", "OPTIONS"]))})


def launch_options() -> Response:
    fields = KINDS["job_templates"].fields
    types = {"credentials": "list_of_ids", "labels": "list_of_ids", "instance_groups": "list_of_ids"}
    inputs = {
        name: {
            "type": types.get(name, fields.get(name, "string")),
            "required": False,
            "label": _label(name),
            "help_text": "",
        }
        for name in PROMPTS
    }
    return described("Job Template Launch", {"GET": {}, "POST": inputs}, ["GET", "POST"], ["job_template"])


def _input(kind: Kind, name: str) -> Json:
    default = {"default": TEMPLATE_DEFAULTS[name]} if name in TEMPLATE_DEFAULTS else {}
    return {
        "type": kind.fields.get(name, "string"),
        "required": name in kind.required,
        "label": _label(name),
        "help_text": "",
        **default,
    }


def _label(name: str) -> str:
    return name.replace("_", " ").title()
