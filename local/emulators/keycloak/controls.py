"""What only the emulator has: its clock, odd tokens, and its keys."""

import json
from dataclasses import asdict, fields
from typing import Any

from starlette.responses import Response

from local.emulators.keycloak.answers import Refused, answer
from local.emulators.keycloak.call import Call
from local.emulators.keycloak.keys import STATES


def oddities(call: Call) -> Response:
    """`PUT` changes the ones that are named; each keeps its type."""
    now = call.server.oddities
    for name, value in _body(call).items():
        kind = type(getattr(now, name)) if name in {field.name for field in fields(now)} else None
        if kind is None or not (isinstance(value, kind) or (kind is float and type(value) is int)):
            raise _wrong(f"oddities are {', '.join(f'{f.name}: {f.type}' for f in fields(now))}")
        setattr(now, name, kind(value))
    return answer(asdict(now))


def rotate(call: Call) -> Response:
    return answer({"kid": call.server.keys.rotate()}, 201)


def keys(call: Call) -> Response:
    return answer({"keys": call.server.keys.shown()})


def key(call: Call) -> Response:
    """`{"state": "active" | "passive" | "disabled"}`."""
    state = _body(call).get("state")
    if state not in STATES:
        raise _wrong(f"state is one of {', '.join(STATES)}")
    if not call.server.keys.change(call.names["kid"], state):
        raise _wrong("no such key", 404)
    return keys(call)


def _body(call: Call) -> dict[str, Any]:
    try:
        body = json.loads(call.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _wrong("the body is no JSON object")
    return body


def _wrong(sentence: str, status: int = 400) -> Refused:
    return Refused(answer({"error": sentence}, status))
