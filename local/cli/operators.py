"""`stoa lag`, `stoa dlq` and `stoa trace`: what an operator asks when something seems stuck."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from local.cli.addresses import brokers, http_url, kept, who
from local.cli.errors import refused, told

dlq = typer.Typer(help="Look at records that could not be processed, and send them back.", no_args_is_help=True)
TRACE = re.compile(r"trc-[0-9a-f]{32}")
PLACE = re.compile(r"([a-z0-9.-]+\.dlq)/([0-9]{1,6})/([0-9]{1,18})")

Bootstrap = Annotated[
    str | None,
    typer.Option(
        envvar="STOA_KAFKA_BOOTSTRAP", help="Kafka's address, host:port. Default: the platform that runs here."
    ),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Whose state: where the platform that runs here keeps it.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for a program.")]


def lag(bootstrap: Bootstrap = None, home: HomeOption = None, as_json: Json = False) -> None:
    """Show how far each consumer is behind: records, and the age of the oldest that is not done.

    Exit code 1 when one is behind.
    """
    from local.consumer_lag import lags  # noqa: PLC0415

    with told():
        found = list(lags(brokers(bootstrap, home)))
    if not found:
        raise refused("this Kafka has none of the topics of STOA: is it the right one?")
    if as_json:
        for one in found:
            typer.echo(json.dumps(asdict(one)))
    else:
        ages = ["" if one.oldest_s is None else f"{one.oldest_s:.0f} s" for one in found]
        rows = [(one.group, str(one.partition), str(one.behind), age) for one, age in zip(found, ages, strict=True)]
        print_table(("consumer group", "partition", "behind", "oldest"), rows)
    raise typer.Exit(1 if any(one.behind for one in found) else 0)


@dlq.command("list")
def list_letters(
    bootstrap: Bootstrap = None,
    home: HomeOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters: where each is, its key, why it is there."""
    from local.dead_letters import newest  # noqa: PLC0415

    with told():
        found = newest(brokers(bootstrap, home), limit)
    if as_json:
        for letter in found:
            said = {name: value for name, value in letter.headers.items() if name.startswith("dlq_")}
            typer.echo(json.dumps({"place": letter.place, "key": letter.key, **said}))
        return
    if not found:
        typer.echo("no dead letters")
        return
    names = ("dlq_at", "dlq_code", "dlq_reason")
    rows = [(letter.place, letter.key, *(letter.headers.get(name, "") for name in names)) for letter in found]
    print_table(("place", "key", "at", "code", "reason"), rows)


@dlq.command("show")
def show_letter(
    place: Annotated[str, typer.Argument(help="topic/partition/offset, as `stoa dlq list` says it.")],
    bootstrap: Bootstrap = None,
    home: HomeOption = None,
) -> None:
    """Show one dead letter whole: headers, key and value, as one JSON object."""
    from local.dead_letters import one  # noqa: PLC0415

    match = PLACE.fullmatch(place)
    if match is None:
        raise refused(f"{place} is no place: say it as deploy-requests.dlq/0/12, as `stoa dlq list` does")
    with told():
        letter = one(brokers(bootstrap, home), match[1], int(match[2]), int(match[3]))
    if letter is None:
        raise refused(f"there is nothing at {place}; `stoa dlq list` says what there is")
    text = letter.value.decode("utf-8", "replace")
    typer.echo(json.dumps({"place": letter.place, "key": letter.key, "headers": letter.headers, "value": text}))


def trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="The trace id, trc-...")],
    url: Annotated[
        str | None, typer.Option(envvar="STOA_API_URL", help="The HTTP API. Default: the one that runs here.")
    ] = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Show a trace from the push to its last result, with the time of every step.

    The API's bearer token is taken from STOA_API_TOKEN; without one, the administrator of the platform that runs here
    signs in.
    """
    from local.control_plane import ControlPlane  # noqa: PLC0415

    if not TRACE.fullmatch(trace_id):
        raise refused(f"{trace_id} is no trace id: trc- and 32 hexadecimal digits, as pushes and deployments name it")
    with told():
        place = http_url("--url", url or f"http://127.0.0.1:{kept(home, 'ports.json', 'api')}")
        found = ControlPlane(place, who(home)).trace(trace_id)
    try:
        rows, day = _steps(found)
        title = f"{trace_id}: {found['status']}{_after(found['total_duration_ms'])}; times are UTC, {day}"
    except (KeyError, TypeError, AttributeError):
        raise refused(f"what {place} answers is no trace: is it the address of the STOA API?") from None
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_table(("step", "started", "took", "of", "status", "detail"), rows, title, whole=3)


def _steps(trace: dict[str, Any]) -> tuple[list[tuple[str, ...]], str]:
    """Rows, and the day of the first: a step shows the time alone, or the day too if it is another one. Raises
    KeyError, TypeError and AttributeError for what is none of our API."""
    steps = trace["timeline"]
    day = steps[0]["started_at"].partition("T")[0] if steps else ""
    rows: list[tuple[str, ...]] = []
    for step in steps:
        date, _, started = step["started_at"].removesuffix("Z").partition("T")
        started = started if date == day else f"{date[5:]} {started}"
        took, of = _seconds(step["duration_ms"]), step["of"] or "push"
        rows.append((step["name"], started, took, of, step["status"], step["detail"] or ""))
    return rows, day


def _after(duration_ms: float | None) -> str:
    return "" if duration_ms is None else f" after {_seconds(duration_ms)}"


def _seconds(duration_ms: float | None) -> str:
    return "" if duration_ms is None else f"{duration_ms / 1000:.2f} s"


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None, *, whole: int = 1
) -> None:
    """The first column stays whole however narrow the terminal is: it is what other commands are told. `whole` counts
    those that do."""
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    widths = [max((len(row[number]) for row in rows), default=0) for number in range(whole)]
    kept_whole = [Column(name, no_wrap=True, min_width=width) for name, width in zip(columns, widths, strict=False)]
    table = Table(*kept_whole, *columns[whole:], title=title)
    for row in rows:
        table.add_row(*(escape(_shown(text)) for text in row))
    Console().print(table)


def _shown(text: str) -> str:
    """What others wrote may hold what a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
