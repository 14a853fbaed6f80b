"""The same Idempotency-Key starts the same thing once; with another request it is a mistake of the caller."""

from stoa.kernel.database import Connection
from stoa.kernel.errors import Refused


def started(connection: Connection, key: str, subject: str) -> str | None:
    """The deployment that an earlier request with this key started. Raises Refused when that was about another subject.

    The key stays locked until the transaction ends: two requests with it do not both find nothing.
    """
    connection.execute("SELECT pg_advisory_xact_lock(3, hashtext(%s))", (key,))
    row = connection.execute("SELECT subject, deployment_id FROM started_by_hand WHERE key = %s", (key,)).fetchone()
    if row is None:
        return None
    if row["subject"] != subject:
        detail = "this Idempotency-Key came with another request"
        hint = "send a new key with a new request"
        raise Refused("IDEMPOTENCY_KEY_REUSED", detail, field="Idempotency-Key", hint=hint)
    return str(row["deployment_id"])


def remember(connection: Connection, key: str, subject: str, deployment_id: str) -> None:
    connection.execute(
        "INSERT INTO started_by_hand (key, subject, deployment_id) VALUES (%s, %s, %s)", (key, subject, deployment_id)
    )
