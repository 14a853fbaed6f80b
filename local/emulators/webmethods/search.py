"""Search: regular expressions over attributes of the stored records."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import Json, answer, refuse
from local.emulators.webmethods.gateway import Gateway, json_object

KINDS = {
    "api": "api",
    "application": "application",
    "policy": "policy",
    "policyaction": "policyAction",
    "policy_action": "policyAction",
    "alias": "alias",
    "scope": "scope",
}
PLAIN = re.compile(r"([A-Za-z0-9_ -]|\\[.-])+")
NAMES = {"api": "apiName", "alias": "name"}
UPPER = {"api": "API", "application": "APPLICATION", "policy": "POLICY", "policyAction": "POLICYACTION",
         "alias": "ALIAS", "scope": "SCOPE"}  # fmt: skip


def matching(gateway: Gateway, body: Json) -> dict[str, list[Json]]:
    """The records by kind. Refuses a body without condition, unknown types and broken expressions with 400."""
    if body.get("condition") not in {"and", "or"}:
        raise refuse(400, " Mandatory field condition is missing in the input request body")
    wanted = body.get("types")
    types = [str(name).lower() for name in wanted] if isinstance(wanted, list) else []
    if not types or not all(name in KINDS for name in types):
        raise refuse(400, " Mandatory field types is missing in the input request body")
    scope = body.get("scope") or []
    try:
        rules = [(str(rule["attributeName"]), re.compile(str(rule["keyword"]))) for rule in scope]
    except (re.error, KeyError, TypeError) as error:
        raise refuse(400, f" Error in processing the scope: {error}") from error
    every = body["condition"] == "and"
    return {
        kind: [record for record in _candidates(gateway, kind, rules) if _fits(record, rules, every)]
        for kind in dict.fromkeys(KINDS[name] for name in types)
    }


def _candidates(gateway: Gateway, kind: str, rules: list[tuple[str, re.Pattern[str]]]) -> list[Json]:
    """All records, or, for the one rule that is a plain name, those that the index has for it."""
    named = len(rules) == 1 and rules[0][0] == NAMES.get(kind) and PLAIN.fullmatch(rules[0][1].pattern)
    if named:
        return gateway.store.found(kind, rules[0][1].pattern.replace("\\", ""))
    return gateway.store.all(kind)


def _fits(record: Json, rules: list[tuple[str, re.Pattern[str]]], every: bool) -> bool:
    hits = (any(pattern.fullmatch(text) for text in _texts(record, name)) for name, pattern in rules)
    return not rules or (all(hits) if every else any(hits))


def _texts(record: Json, path: str) -> list[str]:
    """The values of an attribute as texts; a dotted name goes down, lists count with every entry."""
    found: list[Any] = [record]
    for key in path.split("."):
        found = [one.get(key) for one in found if isinstance(one, dict)]
        found = [inner for one in found for inner in (one if isinstance(one, list) else [one])]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in found if one is not None]


async def search(gateway: Gateway, request: Request) -> Response:
    body = await json_object(request)
    result = {}
    for kind, records in matching(gateway, body).items():
        key = kind if gateway.variants.search_keys == "lower" else UPPER[kind]
        result[key] = [_projected(record, body.get("responseFields")) for record in _cut(_sorted(records, body), body)]
    return answer(result)


def _sorted(records: list[Json], body: Json) -> list[Json]:
    field = body.get("sortByField")
    if not isinstance(field, str):
        return records
    down = str(body.get("sortOrder", "ASC")).upper().startswith("DESC")
    return sorted(records, key=lambda record: str(record.get(field, "")), reverse=down)


def _cut(records: list[Json], body: Json) -> list[Json]:
    first, size = body.get("from") or 0, body.get("size", -1)
    if not isinstance(first, int) or not isinstance(size, int):
        raise refuse(400, " from and size are numbers")
    return records[first:] if size < 0 else records[first : first + size]


def _projected(record: Json, fields: Any) -> Json:
    if not isinstance(fields, list) or not fields:
        return {key: value for key, value in record.items() if key != "accessTokens"}
    return {key: record[key] for key in fields if key in record}


async def count(gateway: Gateway, request: Request) -> Response:
    return answer({kind: len(records) for kind, records in matching(gateway, await json_object(request)).items()})


async def aggregations(gateway: Gateway, request: Request) -> Response:
    body = await json_object(request)
    if not body.get("aggregations"):
        raise refuse(400, " Mandatory field aggregations is missing in the input request body")
    return answer({kind: {"count": len(records)} for kind, records in matching(gateway, body).items()})
