"""RFC 9457 problem details: one shape for every refusal."""

import json
from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"
LONGEST = 1000


class Problem(BaseModel):
    """`code` is stable; `trace_id` finds the request in our logs; `field` names the input at fault; `hint` says what
    to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str
    field: str | None = None
    hint: str | None = None


MEANINGS = {
    401: "no or wrong credentials",
    403: "your roles do not permit it",
    404: "there is no such thing",
    405: "not with this method; Allow names those that work",
    409: "not in the present state",
    413: "the body is too large",
    422: "the request is wrong",
    429: "too often; Retry-After says when to ask again",
    431: "too many headers",
    500: "our fault; it is logged under the trace id",
    503: "try again later",
}
# of routes that change what their caller has seen before: RFC 9110, section 13.1.1; RFC 6585, section 3
CONDITIONS = {
    412: "it is not in the state that If-Match names; read it again",
    428: "If-Match is missing",
}


def _described(meanings: Mapping[int, str]) -> dict[int | str, dict[str, object]]:
    """FastAPI would call a model `application/json`: local/contracts.py puts it where the reference points."""
    shape = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": text, "content": shape} for status, text in meanings.items()}


RESPONSES = _described(MEANINGS)
CONDITIONAL = _described(CONDITIONS)
# local/contracts.py puts them where the references point
LIMIT_HEADERS = {
    "Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "RateLimit": {
        "description": "what is left of each policy, and in how many seconds there is more",
        "schema": {"type": "string", "example": '"tenant";r=399;t=1, "user";r=0;t=1'},
    },
    "RateLimit-Policy": {
        "description": "how many requests at once, and in how many seconds all of them are there again",
        "schema": {"type": "string", "example": '"tenant";q=400;w=4, "user";q=100;w=5'},
    },
}
CHALLENGE_HEADERS = {
    "WWW-Authenticate": {
        "description": "which credentials are asked for, and whether those given were bad (RFC 6750, section 3)",
        "required": True,
        "schema": {"type": "string", "example": 'Bearer realm="stoa", error="invalid_token"'},
    },
}
for status, named in ((401, CHALLENGE_HEADERS), (429, LIMIT_HEADERS)):
    RESPONSES[status]["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in named}
# of routes whose callers show a machine secret
UNLIMITED = {status: response for status, response in RESPONSES.items() if status != 429}


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    said = Problem(
        type=f"urn:stoa:problem:{code.lower()}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=_writable(detail),
        trace_id=request.state.trace_id,
        field=field and _writable(field),
        hint=hint,
    )
    content = json.dumps(said.model_dump(exclude_none=True))
    return Response(content, status, headers, media_type=MEDIA_TYPE)


def challenge(code: str) -> dict[str, str]:
    """What a 401 must carry. Source: RFC 9110, section 11.6.1; RFC 6750, section 3."""
    error = ', error="invalid_token"' if code in {"INVALID_TOKEN", "SESSION_ENDED"} else ""
    return {"WWW-Authenticate": f'Bearer realm="stoa"{error}'}


def _writable(text: str) -> str:
    """It may quote what the caller sent: of any length, and with halves of surrogate pairs, which are not UTF-8."""
    return text[:LONGEST].encode("utf-8", "replace").decode()
