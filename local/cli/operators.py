"""`stoa lag`, `stoa dlq` and `stoa trace`: what an operator asks when something seems stuck."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import requests

dlq = typer.Typer(help="Look at records that could not be processed, and send them back.", no_args_is_help=True)
TRACE = re.compile(r"trc-[0-9a-f]{32}")
PLACE = re.compile(r"([a-z0-9.-]+\.dlq)/(\d{1,6})/(\d{1,18})")

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
        found = list(lags(bootstrap or bootstrap_of(home)))
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
        found = newest(bootstrap or bootstrap_of(home), limit)
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
        letter = one(bootstrap or bootstrap_of(home), match[1], int(match[2]), int(match[3]))
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

    The API's bearer token is taken from STOA_API_TOKEN, by default from the state of the platform that runs here.
    """
    from local.control_plane import ControlPlane  # noqa: PLC0415

    if not TRACE.fullmatch(trace_id):
        raise refused(f"{trace_id} is no trace id: trc- and 32 hexadecimal digits, as pushes and deployments name it")
    with told():
        place = url or f"http://127.0.0.1:{_kept(home, 'ports.json', 'api')}"
        # never an option: arguments are seen by everybody on the machine
        token = os.environ.get("STOA_API_TOKEN") or str(_kept(home, "secrets.json", "dev_token"))
        found = ControlPlane(place, token).trace(trace_id)
    if as_json:
        typer.echo(json.dumps(found))
        return
    took = "" if found["total_duration_ms"] is None else f" after {found['total_duration_ms'] / 1000:.2f} s"
    rows = []
    for step in found["timeline"]:
        lasted = "" if step["duration_ms"] is None else f"{step['duration_ms'] / 1000:.2f} s"
        rows.append(
            (step["name"], step["started_at"], step["of"] or "push", step["status"], lasted, step["detail"] or "")
        )
    title = f"{trace_id}: {found['status']}{took}"
    print_table(("step", "started", "of", "status", "took", "detail"), rows, title)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """The first column stays whole however narrow the terminal is: it is what other commands are told."""
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    width = max(len(row[0]) for row in rows)
    table = Table(Column(columns[0], no_wrap=True, min_width=width), *columns[1:], title=title)
    for row in rows:
        table.add_row(*(escape(_shown(text)) for text in row))
    Console().print(table)


def bootstrap_of(home: Path | None) -> str:
    return f"127.0.0.1:{_kept(home, 'kafka/ports.json', 'broker')}"


def _kept(home: Path | None, file: str, name: str) -> Any:
    """What the platform of that folder has written down. Raises FileNotFoundError when there is none."""
    from local.home import default_home  # noqa: PLC0415

    return json.loads(((home or default_home()) / file).read_text())[name]


@contextmanager
def told() -> Iterator[None]:
    """What does not answer, or is not there, ends in a sentence."""
    import requests  # noqa: PLC0415
    from kafka.errors import KafkaError  # noqa: PLC0415

    from stoa.kernel.errors import Refused, Transient  # noqa: PLC0415

    try:
        yield
    except requests.HTTPError as error:
        raise refused(_problem(error.response)) from error
    except Refused as error:
        raise refused(f"{error.code}: {error.detail}") from error
    except (KafkaError, Transient, requests.RequestException) as error:
        raise refused(f"no answer ({type(error).__name__}): is the platform running? `stoa up` starts it") from error
    except FileNotFoundError as error:
        raise refused(f"no platform has run here ({error.filename} is missing): `stoa up` starts one") from error
    except (OSError, ValueError, KeyError) as error:
        raise refused(f"the state of the platform cannot be read ({error}): is --home its folder?") from error


def _problem(answer: requests.Response) -> str:
    """In the words of our API; of something that stands before it, only the status."""
    try:
        said = answer.json()
        return f"{said['code']}: {said['detail']}"
    except (ValueError, TypeError, KeyError):
        return f"{answer.url} answered {answer.status_code}: is it the address of the STOA API?"


def _shown(text: str) -> str:
    """What others wrote may hold what a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def refused(text: str) -> typer.Exit:
    typer.echo(f"stoa: {text}", err=True)
    return typer.Exit(2)
