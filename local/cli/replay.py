"""`stoa replay`: the read model from the archive and the topics, and whether it is what the platform shows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.cli.addresses import brokers, database_url, http_url, kept
from local.cli.errors import refused, told
from local.cli.operators import HomeOption, Json

if TYPE_CHECKING:
    from local.replay.hashes import Hash
    from local.replay.run import Outcome, Sources
    from stoa.kernel.tables import Projection

ANSWERS = {True: "yes", False: "NO", None: "-"}


class Consumer(StrEnum):
    deploy_results_to_status = "deploy_results_to_status"
    events_to_search = "events_to_search"


AsOf = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only what was committed until then; ISO 8601 with a zone. Not compared."),
]
Expect = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="With --as-of: compare with what an earlier --json said."),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="Leave the schema with the rebuilt tables in place, until you drop it yourself.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Make the search index anew even without what is in no log any more.")
]


def replay(
    as_of: AsOf = None,
    expect: Expect = None,
    consumer: Annotated[Consumer | None, typer.Option(help="Only what this consumer makes. Default: all.")] = None,
    keep: Keep = False,
    force: Force = False,
    patience: Annotated[float, typer.Option(min=0, help="Seconds to wait for events that are under way.")] = 30.0,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Rebuild the read model from the archive and the topics, and compare it with the live one.

    In a schema of its own; only --consumer events_to_search makes something anew in its place, once
    it has read all of the history. Elsewhere it takes STOA_DATABASE_URL, STOA_KAFKA_BOOTSTRAP,
    STOA_ARCHIVE_BUCKET and STOA_OPENSEARCH_URL. Exit code 1 when the hashes differ, or when the
    index lacks what is in no log any more.
    """
    from local.replay.run import Wanted  # noqa: PLC0415
    from local.replay.run import replay as run  # noqa: PLC0415
    from stoa.kernel.tables import API_STATUS, PROJECTIONS  # noqa: PLC0415

    if consumer is Consumer.events_to_search:
        if as_of or expect or keep:
            raise refused("the search index is made anew in its place, as of now: leave the other options out")
        raise typer.Exit(_search(home, as_json, force))
    projections = (API_STATUS,) if consumer else PROJECTIONS
    if force:
        raise refused("--force goes with --consumer events_to_search: nothing else is replaced")
    if expect and not as_of:
        raise refused("--expect goes with --as-of: without it the live tables are what is compared")
    with _told():
        wanted = Wanted(projections, moment(as_of), _expected(expect, projections), keep, patience)
        sources = _sources(home)
        with bar("events") as progress:
            found = run(sources, wanted, progress)
    typer.echo(json.dumps(found.as_json())) if as_json else _show(found, keep)
    raise typer.Exit(0 if found.equal else 1)


def _search(home: Path | None, as_json: bool, force: bool) -> int:
    """The exit code."""
    from local.replay.search import replay_search  # noqa: PLC0415
    from stoa.adapters.opensearch import OpenSearch  # noqa: PLC0415
    from stoa.kernel.settings import from_environment  # noqa: PLC0415

    with _told():
        read = from_environment(os.environ)
        url = read.opensearch_url or f"http://127.0.0.1:{kept(home, 'ports.json', 'opensearch')}"
        opensearch = OpenSearch(http_url("STOA_OPENSEARCH_URL", url), read.opensearch_user, read.opensearch_password)
        sources = _sources(home)
        with bar("events") as progress:
            done = replay_search(sources, opensearch, progress, force=force)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        typer.echo(f"{done.records} records indexed anew; {len(done.refused)} cannot be")
        for reason in done.refused:
            typer.echo(f"  {reason}")
        if done.lost:
            typer.echo(f"{done.lost} records are in neither the archive nor Kafka: the index is without them")
    return 1 if done.lost else 0


def moment(text: str | None) -> datetime | None:
    """Of an option, in UTC; ends the command for what is no time."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise refused(f"{text} has no zone: add Z for UTC")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter in the first year and the last, by the zone
        raise refused(f"{text} is no time: say it as 2026-11-28T12:00:00Z") from None


def _expected(file: Path | None, wanted: Sequence[Projection]) -> Mapping[str, Hash] | None:
    """The rebuilt hashes of an earlier run. One that lacks a projection would prove nothing of it."""
    from local.replay.hashes import Hash  # noqa: PLC0415

    if file is None:
        return None
    try:
        said = json.loads(file.read_text())
        found = {one["table"]: Hash(**one["rebuilt"]) for one in said["projections"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise refused(f"{file} is not what `stoa replay --json` says") from None
    if missing := [one.table for one in wanted if one.table not in found]:
        raise refused(f"{file} says nothing of {', '.join(missing)}: take what a whole `stoa replay --json` said")
    return found


def _sources(home: Path | None) -> Sources:
    """Of the environment, and what is not there of the platform that runs here."""
    from local.memories import ARCHIVE  # noqa: PLC0415
    from local.replay.run import Sources  # noqa: PLC0415
    from stoa.adapters.s3 import Bucket  # noqa: PLC0415
    from stoa.archive.queries import Archived  # noqa: PLC0415
    from stoa.kernel.settings import Secret  # noqa: PLC0415

    there = os.environ
    bucket, endpoint = there.get("STOA_ARCHIVE_BUCKET"), there.get("STOA_S3_ENDPOINT", "")
    url, bootstrap = there.get("STOA_DATABASE_URL"), there.get("STOA_KAFKA_BOOTSTRAP")
    if not (bucket and url and bootstrap):
        bucket, endpoint = bucket or ARCHIVE, endpoint or f"http://127.0.0.1:{kept(home, 'ports.json', 's3')}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            there.setdefault(name, "local")  # of an S3 that asks for any
    if endpoint:
        http_url("STOA_S3_ENDPOINT", endpoint)
    return Sources(Secret(database_url(home)), brokers(bootstrap, home), Archived(Bucket(bucket, endpoint)))


@contextmanager
def bar(what: str) -> Iterator[Any]:
    """Takes how many of them are done, and of how many; on standard error, where there is a terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _show(found: Outcome, keep: bool) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("projection", "rows", "hash", "expected rows", "expected hash", "equal")
    for one in found.projections:
        beside = (str(one.expected.rows), one.expected.sha256[:16]) if one.expected else ("-", "-")
        table.add_row(one.table, str(one.rebuilt.rows), one.rebuilt.sha256[:16], *beside, ANSWERS[one.equal])
    Console().print(table)
    count = found.count
    typer.echo(
        f"{found.events} distinct events in {count.records} records; {count.later} later, {count.refused} unusable"
    )
    if found.lost:
        typer.echo(f"{found.lost} offsets are in neither the archive nor Kafka: the history is not whole")
    if keep:
        typer.echo(f"the rebuilt tables stay in the schema {found.schema}, until DROP SCHEMA {found.schema} CASCADE")


@contextmanager
def _told() -> Iterator[None]:
    """What does not answer, or is not there, ends in a sentence."""
    from local.replay.live import Unsettled  # noqa: PLC0415
    from local.replay.search import Lossy, NotWhole  # noqa: PLC0415

    try:
        with told():
            yield
    except Unsettled as error:
        raise refused(f"nothing was compared, because {error}; run it again when that is done") from error
    except Lossy as error:
        raise refused(f"{error}; nothing was deleted, and --force makes the index anew without them") from error
    except NotWhole as error:
        raise refused(f"the index is not whole, because this ended early ({error}): run it again") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refused(f"what was kept cannot be read ({error}): is it of this platform?") from error
