"""The same Idempotency-Key of the same person starts the same thing once; with another request it is their mistake.

What another person chose as a key is nobody else's matter: two tenants may choose the same, and never learn of it.
"""

from stoa.kernel.database import Connection
from stoa.kernel.errors import Refused


def started(connection: Connection, actor: str, key: str, subject: str) -> str | None:
    """What an earlier request of this person with this key started. Raises Refused when that was about another subject.

    The key stays locked until the transaction ends: two requests with it do not both find nothing.
    """
    owned = _owned(actor, key)
    connection.execute("SELECT pg_advisory_xact_lock(3, hashtext(%s))", (owned,))
    row = connection.execute("SELECT subject, deployment_id FROM started_by_hand WHERE key = %s", (owned,)).fetchone()
    if row is None:
        return None
    if row["subject"] != subject:
        detail = "this Idempotency-Key came with another request"
        hint = "send a new key with a new request"
        raise Refused("IDEMPOTENCY_KEY_REUSED", detail, field="Idempotency-Key", hint=hint)
    return str(row["deployment_id"])


def remember(connection: Connection, actor: str, key: str, subject: str, started_id: str) -> None:
    connection.execute(
        "INSERT INTO started_by_hand (key, subject, deployment_id) VALUES (%s, %s, %s)",
        (_owned(actor, key), subject, started_id),
    )


def _owned(actor: str, key: str) -> str:
    """No id of a person holds a blank."""
    return f"{actor} {key}"
