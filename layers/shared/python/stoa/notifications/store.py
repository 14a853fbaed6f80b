"""The SQL of channels and messages. Every function works in the caller's transaction, which has entered a tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.kernel.database import Connection, Row
from stoa.notifications.events import Told
from stoa.notifications.model import DIGEST, Channel, Entry, Notice

_CHANNEL = "tenant, name, kind, target, messages, enabled, updated_at, disabled_reason, rests_until"
_ENTRY = "event_id, state, tries, tried_at"


def channels(connection: Connection) -> list[Channel]:
    rows = connection.execute(f"SELECT {_CHANNEL} FROM notification_channels ORDER BY name")
    return [_channel(row) for row in rows]


def channel(connection: Connection, name: str, *, lock: bool = False) -> Channel | None:
    """`lock` keeps others from deciding about this channel until the transaction ends."""
    end = " FOR UPDATE" if lock else ""
    found = connection.execute(f"SELECT {_CHANNEL} FROM notification_channels WHERE name = %s{end}", (name,))
    row = found.fetchone()
    return _channel(row) if row else None


def put_channel(connection: Connection, c: Channel) -> None:
    """Writes all of it: whoever does wants no rest and no reason of before."""
    connection.execute(
        f"INSERT INTO notification_channels ({_CHANNEL}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (tenant, name) DO UPDATE SET kind = excluded.kind, target = excluded.target,"
        " messages = excluded.messages, enabled = excluded.enabled, updated_at = excluded.updated_at,"
        " disabled_reason = excluded.disabled_reason, rests_until = excluded.rests_until",
        (
            c.tenant, c.name, c.kind, c.target, list(c.messages), c.enabled, c.updated_at, c.disabled_reason,
            c.rests_until,
        ),
    )  # fmt: skip


def remove_channel(connection: Connection, name: str) -> bool:
    """With what it still held back: a later channel of this name is another one."""
    connection.execute(
        "UPDATE notifications SET state = 'dropped' WHERE channel = %s"
        " AND (state = 'held' OR type = %s AND state IN ('sending', 'waiting'))",
        (name, DIGEST),
    )
    done = connection.execute("DELETE FROM notification_channels WHERE name = %s", (name,))
    return done.rowcount == 1


def disable(connection: Connection, name: str, reason: str, at: datetime) -> None:
    connection.execute(
        "UPDATE notification_channels SET enabled = false, disabled_reason = %s, rests_until = NULL, updated_at = %s"
        " WHERE name = %s",
        (reason, at, name),
    )


def rest(connection: Connection, name: str, until: datetime) -> None:
    connection.execute("UPDATE notification_channels SET rests_until = %s WHERE name = %s", (until, name))


def entry(connection: Connection, event_id: str) -> Entry | None:
    row = connection.execute(f"SELECT {_ENTRY} FROM notifications WHERE event_id = %s", (event_id,)).fetchone()
    return Entry(**row) if row else None


def sent_since(connection: Connection, name: str, since: datetime) -> int:
    """How many messages the channel got, or is getting, since then."""
    row = connection.execute(
        "SELECT count(*) AS number FROM notifications WHERE channel = %s AND tried_at > %s", (name, since)
    ).fetchone()
    return int(row["number"]) if row else 0


def held_since(connection: Connection, name: str) -> datetime | None:
    """When the oldest message was held back that is in no digest yet."""
    row = connection.execute(
        "SELECT min(taken_at) AS since FROM notifications WHERE channel = %s AND state = 'held' AND digest_id IS NULL",
        (name,),
    ).fetchone()
    return row["since"] if row else None


def hold(connection: Connection, told: Told, line: str, now: datetime) -> None:
    connection.execute(
        "INSERT INTO notifications (tenant, event_id, channel, type, trace_id, line, state, taken_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'held', %s)",
        (told.tenant, told.event_id, told.channel, told.type, told.trace_id, line, now),
    )


def begin(connection: Connection, told: Told, line: str, now: datetime) -> int:
    """The intent to send, written before the call; returns which try it is."""
    row = connection.execute(
        "INSERT INTO notifications AS n"
        " (tenant, event_id, channel, type, trace_id, line, state, tries, taken_at, tried_at)"
        " VALUES (%(tenant)s, %(id)s, %(channel)s, %(type)s, %(trace)s, %(line)s, 'sending', 1, %(now)s, %(now)s)"
        " ON CONFLICT (tenant, event_id) DO UPDATE SET state = 'sending', tries = n.tries + 1, tried_at = %(now)s,"
        " ended_at = NULL, error = NULL RETURNING tries",
        {
            "tenant": told.tenant,
            "id": told.event_id,
            "channel": told.channel,
            "type": told.type,
            "trace": told.trace_id,
            "line": line,
            "now": now,
        },
    ).fetchone()
    return int(row["tries"]) if row else 1


def begin_again(connection: Connection, event_id: str, now: datetime) -> int:
    """The same for a digest that is there already."""
    row = connection.execute(
        "UPDATE notifications SET state = 'sending', tries = tries + 1, tried_at = %s WHERE event_id = %s"
        " RETURNING tries",
        (now, event_id),
    ).fetchone()
    return int(row["tries"]) if row else 1


def sent(connection: Connection, event_id: str, at: datetime) -> None:
    """The message, and if it was a digest the messages in it."""
    connection.execute(
        "UPDATE notifications SET state = CASE WHEN event_id = %(id)s THEN 'sent' ELSE 'digested' END,"
        " ended_at = %(at)s WHERE event_id = %(id)s OR digest_id = %(id)s",
        {"id": event_id, "at": at},
    )


def waits(connection: Connection, event_id: str) -> None:
    """A try that certainly ended without success."""
    connection.execute(
        "UPDATE notifications SET state = 'waiting' WHERE event_id = %s AND state = 'sending'", (event_id,)
    )


def refused(connection: Connection, event_id: str, problem: Mapping[str, Any], at: datetime) -> None:
    """The end of a message; the messages of a digest are held back for another one."""
    connection.execute(
        "UPDATE notifications SET state = 'refused', error = %s, ended_at = %s WHERE event_id = %s",
        (Jsonb(dict(problem)), at, event_id),
    )
    connection.execute("UPDATE notifications SET digest_id = NULL WHERE digest_id = %s", (event_id,))


def unfinished_digest(connection: Connection, name: str) -> Entry | None:
    row = connection.execute(
        f"SELECT {_ENTRY} FROM notifications WHERE channel = %s AND type = %s AND state IN ('sending', 'waiting')",
        (name, DIGEST),
    ).fetchone()
    return Entry(**row) if row else None


def gather(connection: Connection, c: Channel, digest_id: str, now: datetime) -> None:
    """A new digest of everything that is held back for the channel."""
    connection.execute(
        "INSERT INTO notifications (tenant, event_id, channel, type, line, state, taken_at)"
        " VALUES (%s, %s, %s, %s, '', 'waiting', %s)",
        (c.tenant, digest_id, c.name, DIGEST, now),
    )
    connection.execute(
        "UPDATE notifications SET digest_id = %s WHERE channel = %s AND state = 'held' AND digest_id IS NULL",
        (digest_id, c.name),
    )


def gathered(connection: Connection, digest_id: str, limit: int) -> tuple[dict[str, int], Sequence[str]]:
    """How many messages of each type, the most frequent first; and the first lines."""
    counts = connection.execute(
        "SELECT type, count(*) AS number FROM notifications WHERE digest_id = %s GROUP BY type ORDER BY 2 DESC, 1",
        (digest_id,),
    )
    found = {row["type"]: int(row["number"]) for row in counts}
    lines = connection.execute(
        "SELECT line FROM notifications WHERE digest_id = %s ORDER BY position LIMIT %s", (digest_id, limit)
    )
    return found, [row["line"] for row in lines]


def with_digests(connection: Connection, before: datetime, now: datetime) -> list[tuple[str, str]]:
    """Tenant and name of every channel whose digest is due. For the role that may read every tenant."""
    rows = connection.execute(
        "SELECT DISTINCT n.tenant, n.channel FROM notifications AS n JOIN notification_channels AS c"
        " ON (c.tenant, c.name) = (n.tenant, n.channel)"
        " WHERE c.enabled AND (c.rests_until IS NULL OR c.rests_until <= %(now)s)"
        " AND n.state IN ('sending', 'waiting', 'held') AND (n.type = %(digest)s"
        " OR n.state = 'held' AND n.digest_id IS NULL AND n.taken_at <= %(before)s) ORDER BY 1, 2",
        {"digest": DIGEST, "before": before, "now": now},
    )
    return [(row["tenant"], row["channel"]) for row in rows]


def _channel(row: Row) -> Channel:
    return Channel(**{**row, "messages": tuple(row["messages"])})


def of_trace(connection: Connection, trace_id: str, tenant: str | None) -> list[Notice]:
    """What the channels of every tenant, or of one, were told of a trace, in the order of its taking in."""
    rows = connection.execute(
        "SELECT channel, type, state, taken_at, ended_at FROM notifications WHERE trace_id = %(trace)s"
        " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) ORDER BY position",
        {"trace": trace_id, "tenant": tenant},
    )
    return [Notice(**row) for row in rows]
