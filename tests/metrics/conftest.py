import base64
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """A record of deploy-requests as Lambda hands it out."""

    def made(number: int, key: str) -> dict[str, Any]:
        said = {"ce_id": f"e{number}", "ce_type": "t", "ce_source": "s", "ce_time": "now", "ce_subject": key}
        return {
            "topic": "deploy-requests",
            "partition": 0,
            "offset": number,
            "key": base64.b64encode(key.encode()).decode(),
            "value": base64.b64encode(b"{}").decode(),
            "headers": [{name: list(value.encode())} for name, value in said.items()],
        }

    return made
