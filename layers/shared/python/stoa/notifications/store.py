"""The SQL of channels and messages. Every function works in the caller's transaction, which has entered a tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from stoa.kernel.database import Connection, Row
from stoa.notifications.events import Told
from stoa.notifications.model import DIGEST, Channel, Entry, Notice

_WRITTEN = "tenant, name, kind, target, messages, enabled, updated_at, disabled_reason, rests_until"
_CHANNEL = f"{_WRITTEN}, id"
_ENTRY = "event_id, state, tries, tried_at, record, error"


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
        f"INSERT INTO notification_channels ({_WRITTEN}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (tenant, name) DO UPDATE SET kind = excluded.kind, target = excluded.target,"
        " messages = excluded.messages, enabled = excluded.enabled, updated_at = excluded.updated_at,"
        " disabled_reason = excluded.disabled_reason, rests_until = excluded.rests_until",
        (
            c.tenant, c.name, c.kind, c.target, list(c.messages), c.enabled, c.updated_at, c.disabled_reason,
            c.rests_until,
        ),
    )  # fmt: skip


def remove_channel(connection: Connection, name: str, at: datetime) -> None:
    """With all that has no end yet: a later channel of this name is another one. Under the lock of the channel, which
    those have who decide about it: what they commit is seen."""
    connection.execute("DELETE FROM notification_channels WHERE name = %s", (name,))
    connection.execute(
        "UPDATE notifications SET state = 'dropped', ended_at = %s WHERE channel = %s"
        " AND state IN ('sending', 'waiting', 'held')",
        (at, name),
    )


def disable(connection: Connection, c: Channel, reason: str, at: datetime) -> bool:
    """False when it is not the channel any more that was read: the reason was one against that."""
    done = connection.execute(
        "UPDATE notification_channels SET enabled = false, disabled_reason = %s, rests_until = NULL, updated_at = %s"
        " WHERE (name, updated_at) = (%s, %s)",
        (reason, at, c.name, c.updated_at),
    )
    return done.rowcount == 1


def rest(connection: Connection, c: Channel, until: datetime) -> None:
    """Unless it was changed since it was read."""
    connection.execute(
        "UPDATE notification_channels SET rests_until = %s WHERE (name, updated_at) = (%s, %s)",
        (until, c.name, c.updated_at),
    )


def looks(connection: Connection, name: str, at: datetime) -> Channel | None:
    """The channel, whose digest is tried now."""
    row = connection.execute(
        f"UPDATE notification_channels SET looked_at = %s WHERE name = %s RETURNING {_CHANNEL}", (at, name)
    ).fetchone()
    return _channel(row) if row else None


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
        "INSERT INTO notifications (tenant, event_id, channel, type, trace_id, line, state, record, taken_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'held', %s, %s)",
        (told.tenant, told.event_id, told.channel, told.type, told.trace_id, line, told.record, now),
    )


def begin(connection: Connection, told: Told, line: str, now: datetime) -> int:
    """The intent to send, written before the call; returns which try it is, and begins anew for one that was refused
    and that a person sent again."""
    row = connection.execute(
        "INSERT INTO notifications AS n"
        " (tenant, event_id, channel, type, trace_id, line, state, tries, record, taken_at, tried_at) VALUES"
        " (%(tenant)s, %(id)s, %(channel)s, %(type)s, %(trace)s, %(line)s, 'sending', 1, %(record)s, %(now)s, %(now)s)"
        " ON CONFLICT (tenant, event_id) DO UPDATE SET state = 'sending', tried_at = %(now)s, record = %(record)s,"
        " tries = CASE WHEN n.state = 'refused' THEN 1 ELSE n.tries + 1 END, ended_at = NULL, error = NULL"
        " RETURNING tries",
        {
            "tenant": told.tenant,
            "id": told.event_id,
            "channel": told.channel,
            "type": told.type,
            "trace": told.trace_id,
            "line": line,
            "record": told.record,
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


def give_up(connection: Connection, told: Told, problem: Mapping[str, Any], at: datetime) -> None:
    """The end of a message that was perhaps never tried; one that has an end keeps it."""
    connection.execute(
        "INSERT INTO notifications AS n"
        " (tenant, event_id, channel, type, trace_id, line, state, record, taken_at, ended_at, error)"
        " VALUES (%(tenant)s, %(id)s, %(channel)s, %(type)s, %(trace)s, '', 'refused', %(record)s, %(at)s, %(at)s,"
        " %(error)s) ON CONFLICT (tenant, event_id) DO UPDATE SET state = 'refused', record = %(record)s,"
        " ended_at = %(at)s, error = %(error)s WHERE n.state IN ('sending', 'waiting')",
        {
            "tenant": told.tenant,
            "id": told.event_id,
            "channel": told.channel,
            "type": told.type,
            "trace": told.trace_id,
            "record": told.record,
            "at": at,
            "error": Jsonb(dict(problem)),
        },
    )


def drop(connection: Connection, event_id: str, at: datetime) -> None:
    """The end of a message that nobody wants any more, when it was tried before."""
    connection.execute(
        "UPDATE notifications SET state = 'dropped', ended_at = %s WHERE event_id = %s"
        " AND state IN ('sending', 'waiting')",
        (at, event_id),
    )


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
    """Tenant and name of every channel whose digest is due, the one not tried for the longest first. For the role that
    may read every tenant."""
    rows = connection.execute(
        "SELECT c.tenant, c.name FROM notification_channels AS c"
        " WHERE c.enabled AND (c.rests_until IS NULL OR c.rests_until <= %(now)s)"
        " AND EXISTS (SELECT 1 FROM notifications AS n WHERE (n.tenant, n.channel) = (c.tenant, c.name)"
        " AND n.state IN ('sending', 'waiting', 'held') AND (n.type = %(digest)s"
        " OR n.state = 'held' AND n.digest_id IS NULL AND n.taken_at <= %(before)s))"
        " ORDER BY c.looked_at NULLS FIRST, c.tenant, c.name",
        {"digest": DIGEST, "before": before, "now": now},
    )
    return [(row["tenant"], row["name"]) for row in rows]


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
