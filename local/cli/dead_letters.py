"""`stoa dlq replay`: records that could not be processed, sent back to their topic."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.cli.addresses import brokers, database_url
from local.cli.errors import refused, told
from local.cli.operators import PLACE, Bootstrap, HomeOption, Json, print_table

if TYPE_CHECKING:
    from local.dead_letters import DeadLetter
    from local.redelivery import Plan
    from stoa.kernel.database import Database


def replay(
    place: Annotated[
        str | None, typer.Argument(help="One letter: topic/partition/offset, as `stoa dlq list` says it.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="All letters of this topic, the oldest first.")] = None,
    code: Annotated[str | None, typer.Option(help="Of those, only the ones with this dlq_code.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many are sent at most.")] = 100,
    rate: Annotated[float, typer.Option(min=0.01, max=1_000, help="How many are sent in a second at most.")] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", help="Send them. Without it, only say what would be sent.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send also what was sent back before.")] = False,
    bootstrap: Bootstrap = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Send dead letters back to the topic they came from, unchanged, and write who did it to the audit log.

    A dry run unless --yes is given. The address of PostgreSQL, which remembers what was sent, is taken from
    STOA_DATABASE_URL, by default from the state of the platform that runs here.
    """
    from local.redelivery import plan, remembered  # noqa: PLC0415

    with told(), _database(home) as database:
        broker = brokers(bootstrap, home)
        found = _chosen(broker, place, topic, code)
        plans = plan(found, frozenset() if again else remembered(database), limit=limit)
        if not yes:
            _tell(plans, None, as_json=as_json)
            return
        sent: set[str] = set()
        try:
            for one in _sent(database, broker, plans, rate, again=again):
                sent.add(one.letter.place)
        finally:  # whatever ended it, what was sent is sent
            _tell(plans, sent, as_json=as_json)


def _chosen(bootstrap: str, place: str | None, topic: str | None, code: str | None) -> list[DeadLetter]:
    from local.dead_letters import all_of, one  # noqa: PLC0415

    if (place is None) == (topic is None):
        raise refused("name one letter as deploy-requests.dlq/0/12, or --topic deploy-requests")
    if place is not None:
        match = PLACE.fullmatch(place)
        letter = one(bootstrap, match[1], int(match[2]), int(match[3])) if match else None
        if letter is None:
            raise refused(f"there is no dead letter at {place}; `stoa dlq list` says what there is")
        return [letter]
    found = all_of(bootstrap, str(topic).removesuffix(".dlq"))
    chosen = [letter for letter in found if code in (None, letter.headers.get("dlq_code"))]
    if found and not chosen:
        typer.echo(f"stoa: none has the code {code}; {len(found)} have another", err=True)
    return chosen


def _sent(database: Database, bootstrap: str, plans: Sequence[Plan], rate: float, *, again: bool) -> Iterator[Plan]:
    """Each one that was sent, as soon as it is."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import track  # noqa: PLC0415

    from local.redelivery import Replay  # noqa: PLC0415
    from stoa.adapters.kafka import Producer  # noqa: PLC0415

    producer = Producer(bootstrap)
    actor = f"machine:{socket.gethostname()}/uid-{os.getuid()}"
    run = Replay(database, producer, actor, rate, again).run(plans)
    total = sum(not one.why_not for one in plans)
    try:
        yield from track(run, "sending", total, console=Console(stderr=True))
    finally:
        producer.close()


def _tell(plans: Sequence[Plan], sent: Collection[str] | None, *, as_json: bool) -> None:
    """`sent` holds the places of those that were; None when none was to be."""
    rows = [(one, _why_not(one, sent)) for one in plans]
    if as_json:
        for one, why_not in rows:
            letter, headers = one.letter, one.letter.headers
            said = {"place": letter.place, "key": letter.key, "dlq_code": headers.get("dlq_code", "")}
            went = sent is not None and not why_not
            typer.echo(json.dumps({**said, "topic": one.topic, "sent": went, "why_not": why_not or None}))
        return
    if not rows:
        typer.echo("no dead letters")
        return
    done = "would be sent" if sent is None else "sent"
    table = [
        (one.letter.place, one.letter.key, one.letter.headers.get("dlq_code", ""), one.topic, why_not or done)
        for one, why_not in rows
    ]
    print_table(("place", "key", "code", "to", "what"), table)
    count = sum(not why_not for _, why_not in rows)
    typer.echo(f"{count} {done}, {len(plans) - count} left out" + ("; --yes sends them" if sent is None else ""))


def _why_not(one: Plan, sent: Collection[str] | None) -> str:
    if one.why_not or sent is None or one.letter.place in sent:
        return one.why_not
    return "not known to be sent: this ended before, or somebody else sent it meanwhile"


@contextmanager
def _database(home: Path | None) -> Iterator[Database]:
    from stoa.kernel.database import Database  # noqa: PLC0415
    from stoa.kernel.settings import Secret  # noqa: PLC0415

    database = Database(Secret(database_url(home)), "stoa_worker")
    try:
        yield database
    finally:
        database.close()
