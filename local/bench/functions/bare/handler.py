"""The least that a webhook may do: verify, one commit, one acknowledged produce. The baseline of `make bench`."""

import base64
import hmac
import json
import os
import uuid
from functools import cache
from typing import Any

import psycopg
from kafka import KafkaProducer


@cache
def connection() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["STOA_DATABASE_URL"], autocommit=True)


@cache
def producer() -> KafkaProducer:
    return KafkaProducer(bootstrap_servers=os.environ["STOA_KAFKA_BOOTSTRAP"], acks="all", linger_ms=0)


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    token = event["headers"].get("x-gitlab-token", "")
    if not hmac.compare_digest(token.encode(), os.environ["STOA_WEBHOOK_SECRET"].encode()):
        return {"statusCode": 401}
    body = base64.b64decode(event["body"]) if event.get("isBase64Encoded") else event["body"].encode()
    push = json.loads(body)
    connection().execute("INSERT INTO inbox (consumer, event_id) VALUES ('bare', %s)", (str(uuid.uuid4()),))
    producer().send("git-pushes", key=str(push["project_id"]).encode(), value=body).get(timeout=10)
    return {"statusCode": 202, "body": "{}"}
