"""HTTP request <-> payload format 2.0 of an API Gateway HTTP API. Pure.

Not in the documentation but observed on AWS by others: `rawPath` comes URL-decoded, and only a few content
types travel as text; everything else is base64, also a form and a body without a content type.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})
STAGE = "$default"
ACCOUNT = "000000000000"
API_ID = "local"

Headers = Iterable[tuple[str, str]]


class BadAnswer(Exception):
    """The function's answer is not a response in format 2.0."""


@dataclass(frozen=True)
class Request:
    """A request as the server got it. `path` is decoded, `query` is not."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    received: datetime


@dataclass(frozen=True)
class Response:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def event(request: Request) -> dict[str, Any]:
    """The event that the function gets."""
    headers = _joined((name.lower(), value) for name, value in request.headers)
    cookies = [part.strip() for part in headers.pop("cookie", "").split(";") if part.strip()]
    parameters = _joined(parse_qsl(request.query, keep_blank_values=True))
    host = headers.get("host", "")
    body, is_base64 = _body(request.body, headers.get("content-type", ""))
    built: dict[str, Any] = {
        "version": "2.0",
        "routeKey": STAGE,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": STAGE,
            "stage": STAGE,
            "time": request.received.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(request.received.timestamp() * 1000),
        },
        "isBase64Encoded": is_base64,
    }
    optional = {"cookies": cookies, "queryStringParameters": parameters, "body": body}
    return built | {name: value for name, value in optional.items() if value}


def _joined(pairs: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        separator = ";" if name == "cookie" else ","
        found[name] = f"{found[name]}{separator}{value}" if name in found else value
    return found


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    kind = content_type.split(";")[0].strip().lower()
    if not body:
        return "", False
    if kind.startswith("text/") or kind in TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def response(answer: object) -> Response:
    """The response in a function's answer. Raises BadAnswer.

    An answer without `statusCode` is the body of a 200 of type JSON, as HTTP APIs infer it.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(200, (("content-type", "application/json"),), json.dumps(answer).encode())
    status = answer["statusCode"]
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise BadAnswer(f"statusCode {status!r}")
    return Response(status, _headers(answer), _response_body(answer))


def _headers(answer: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    headers, cookies = answer.get("headers") or {}, answer.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise BadAnswer("headers is an object, cookies a list")
    named = [(str(name).lower(), str(value)) for name, value in headers.items()]
    if not any(name == "content-type" for name, _ in named):
        named.append(("content-type", "text/plain;charset=UTF-8"))
    return (*named, *(("set-cookie", str(cookie)) for cookie in cookies))


def _response_body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    text = body if isinstance(body, str) else json.dumps(body)
    if not answer.get("isBase64Encoded"):
        return text.encode()
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise BadAnswer("the body is not base64") from error
