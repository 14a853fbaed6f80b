"""What our producers send, as Lambda hands it out."""

import base64
from typing import Any

from stoa.kernel.outbox import Row


def lambda_record(row: Row, offset: int) -> dict[str, Any]:
    """Of partition 0."""
    return {
        "topic": row.topic,
        "partition": 0,
        "offset": offset,
        "key": base64.b64encode(row.key.encode()).decode(),
        "value": base64.b64encode(row.value).decode(),
        "headers": [{name: list(text.encode())} for name, text in row.headers.items()],
    }
