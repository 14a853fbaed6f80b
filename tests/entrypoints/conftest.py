import base64
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """A record of deploy-requests as Lambda hands it out; its value holds its number."""

    def made(number: int, key: str, **headers: str) -> dict[str, Any]:
        said = {"ce_id": f"e{number}", "ce_type": "t", "ce_source": "s", "ce_time": "now", "ce_subject": key, **headers}
        return {
            "topic": "deploy-requests",
            "partition": 0,
            "offset": abs(number),
            "key": base64.b64encode(key.encode()).decode(),
            "value": base64.b64encode(b'{"n":%d}' % number).decode(),
            "headers": [{name: list(value.encode())} for name, value in said.items()],
        }

    return made
