"""`stoa audit`: whether the audit log is what was signed, and its events as a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from local.cli.addresses import archive, kept
from local.cli.errors import refused, told
from local.cli.operators import HomeOption, Json, print_table
from local.cli.replay import bar, moment

if TYPE_CHECKING:
    from local.audit.verify import Report
    from stoa.adapters.signing import PublicKeys
    from stoa.audit.model import Checkpoint

audit = typer.Typer(help="Prove that the audit log is whole, and take its events out.", no_args_is_help=True)
MOST_PROCESSES = 8
SHOWN = 5  # bad records of one chain; --json says all of them


class Form(StrEnum):
    jsonl = "jsonl"
    csv = "csv"


@audit.command()
def verify(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A copy of the archive's bucket.")],
    key: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Public keys in PEM, also those that were replaced.")
    ],
    head: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Checkpoints that were kept elsewhere, one JSON per line."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether a copied archive is what was signed, and name the first record that is not. Needs no network.

    The folder has `events/audit-log` and `checkpoints/audit-log`, as the bucket has them: `stoa audit copy` or
    `aws s3 sync` make it. A checkpoint that was kept elsewhere also finds an end that was cut off together with its
    checkpoints. Exit code 1 when a record, an object or a checkpoint is not as it was signed.
    """
    from local.audit.folder import OBJECTS  # noqa: PLC0415
    from local.audit.verify import verify as run  # noqa: PLC0415

    if not (folder / OBJECTS).is_dir() and not head:
        raise refused(f"{folder} has no {OBJECTS}: give the folder that the whole bucket was copied to")
    keys = _keys(key)
    heads = [checkpoint for file in head or () for checkpoint in _heads(file, keys)]
    try:
        with bar("objects") as progress:
            found = run(folder, keys, heads, progress, processes=min(os.cpu_count() or 1, MOST_PROCESSES))
    except OSError as error:
        raise refused(f"the copy cannot be read ({error}): mend that, or copy it again") from error
    except BrokenExecutor as error:
        raise refused(
            "a process that read the copy was ended from outside: is there memory left? Run it again"
        ) from error
    typer.echo(json.dumps({"whole": found.whole, **asdict(found)}, default=str)) if as_json else _show(found)
    raise typer.Exit(0 if found.whole else 1)


@audit.command()
def export(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant; _platform is our own.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Not before; ISO 8601, zone.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Before this; ISO 8601 with a zone.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="JSON Lines, or CSV that no spreadsheet runs.")] = Form.jsonl,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A new file. Default: standard output.")] = None,
    home: HomeOption = None,
) -> None:
    """Write the audit events of the archive, each once: all there is, or of one tenant and time.

    Takes STOA_ARCHIVE_BUCKET and STOA_S3_ENDPOINT, or the platform that runs here. Events hold who did what and from
    which address: treat the file as personal data. Exit code 2 when it is not whole.
    """
    from local.audit.export import Wanted  # noqa: PLC0415
    from local.audit.export import export as run  # noqa: PLC0415
    from stoa.archive.queries import Archived  # noqa: PLC0415
    from stoa.audit.events import AUDIT_LOG  # noqa: PLC0415

    wanted = Wanted(tenant, moment(since), moment(until))
    with _reading(), _target(output) as target, bar("records") as progress:
        objects = Archived(archive(home)).objects(AUDIT_LOG)
        done = run(objects, wanted, target, csv=form is Form.csv, progress=lambda count: progress(count, None))
    typer.echo(f"{done.events} events of {done.records} records; {done.unusable} are no audit events", err=True)


@audit.command()
def copy(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where to; what is there already stays.")],
    home: HomeOption = None,
) -> None:
    """Copy the archive of the audit log with its checkpoints, for `stoa audit verify`."""
    from local.audit.folder import CHECKPOINTS, OBJECTS  # noqa: PLC0415

    with _reading(), bar("objects") as progress:
        bucket, count = archive(home), 0
        # checkpoints first: no copied checkpoint is then newer than the copied records
        for name in (name for prefix in (CHECKPOINTS, OBJECTS) for name in bucket.names(f"{prefix}/")):
            _save(folder, name, bucket.get(name))
            count += 1
            progress(count, None)
    typer.echo(f"{count} objects are in {folder}", err=True)


@audit.command("key")
def public_key(home: HomeOption = None) -> None:
    """Print the public key in PEM, for `stoa audit verify --key`.

    Of STOA_AUDIT_SIGNING_KEY, or of the platform that runs here. Keep it, and every later one, apart from the archive.
    """
    from stoa.adapters.signing import SigningKey  # noqa: PLC0415
    from stoa.kernel.settings import Secret  # noqa: PLC0415

    text = os.environ.get("STOA_AUDIT_SIGNING_KEY") or str(kept(home, "secrets.json", "audit_signing_key"))
    with told():
        typer.echo(SigningKey(Secret(text)).public_pem(), nl=False)


def _keys(file: Path) -> PublicKeys:
    from stoa.adapters.signing import PublicKeys  # noqa: PLC0415

    try:
        return PublicKeys.read(file.read_text())
    except (OSError, ValueError) as error:
        raise refused(f"{file} cannot be used as a key ({error}): `stoa audit key` prints one") from error


def _heads(file: Path, keys: PublicKeys) -> list[Checkpoint]:
    from stoa.audit.events import AUDIT_LOG  # noqa: PLC0415
    from stoa.audit.model import opened  # noqa: PLC0415

    try:
        found = [opened(AUDIT_LOG, line, keys) for line in file.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise refused(f"{file} proves nothing: {error}") from error
    if not found:
        raise refused(f"{file} is empty: it is to hold a checkpoint that was kept elsewhere")
    return found


def _save(folder: Path, name: str, data: bytes) -> None:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise refused(f"the bucket has an object named {name!r}, which leads out of {folder}: nothing more was copied")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


@contextmanager
def _target(file: Path | None) -> Iterator[TextIO]:
    """A file is there only when it is whole."""
    if file is None:
        yield sys.stdout
        return
    if file.exists():
        raise refused(f"{file} exists: name a new file")
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as target:
            yield target
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        with told():
            yield
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        what = "or the target cannot be written; `stoa audit verify` names a damaged object"
        raise refused(f"the archive cannot be read ({type(error).__name__}: {error}), {what}") from error


def _show(found: Report) -> None:
    rows = [
        (str(chain.place), str(chain.records), str(chain.repeated), chain.last_checkpoint or "-",
         str(chain.unprotected), str(len(chain.findings)))
        for chain in found.chains
    ]  # fmt: skip
    print_table(("partition", "records", "repeated", "last checkpoint", "unprotected", "bad"), rows, whole=4)
    for text in found.strange:
        typer.echo(f"  {_plain(text)}")
    for chain in found.chains:
        if chain.before_chain:
            typer.echo(f"  partition {chain.place}: {chain.before_chain} records are older than its chain: unprotected")
        for n, bad in enumerate(chain.findings[:SHOWN]):
            first = "first bad record" if n == 0 else "also"
            event = f", event {bad.event_id}" if bad.event_id else ""
            where = f" ({bad.where}{event})" if bad.where else ""
            typer.echo(_plain(f"  partition {chain.place}, {first}: offset {bad.offset} {bad.says}{where}"))
        if len(chain.findings) > SHOWN:
            typer.echo(f"  partition {chain.place}: {len(chain.findings) - SHOWN} more; --json names all")
    records, unprotected = (sum(getattr(c, name) for c in found.chains) for name in ("records", "unprotected"))
    after = f"; {unprotected} came after the last checkpoint and are not protected yet" if unprotected else ""
    typer.echo(f"{'whole' if found.whole else 'NOT WHOLE'}: {records} records{after}")


def _plain(text: str) -> str:
    """What others wrote may hold what a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
