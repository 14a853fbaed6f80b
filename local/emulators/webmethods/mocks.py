"""Answers of an API whose mock is on: the example of its first good response, or an empty object."""

import json
from typing import Any

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.backend import Headers


def mocked_answer(model: Json, template: str, method: str) -> tuple[int, Headers, bytes]:
    responses = model["paths"][template][method.lower()].get("responses", {})
    status = next((code for code in responses if code.startswith("2") and code.isdigit()), "200")
    body = json.dumps(_example(responses.get(status, {}))).encode()
    return int(status), [(b"content-type", b"application/json")], b"" if status == "204" else body


def _example(response: Json) -> Any:
    for media in response.get("content", {}).values():
        if "example" in media:
            return media["example"]
        for example in media.get("examples", {}).values():
            return example.get("value")
    return {}
