"""`stoa openapi`: look at what the platform makes of an API definition, before pushing it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from stoa.openapi import MAX_BYTES, Converted, Document, SpecRefused, convert, gateway_profile, parse, to_bytes

BAD_FILE = 2

app = typer.Typer(
    help="Check and convert API definitions (OpenAPI 3.1, 3.0 and Swagger 2.0; JSON or YAML).", no_args_is_help=True
)


Pointers = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-weaker-security",
        help="JSON pointer at which authentication may get weaker; repeat it for each one.",
        metavar="POINTER",
    ),
]


@app.callback()
def openapi() -> None:
    """Check and convert API definitions (OpenAPI 3.1, 3.0 and Swagger 2.0; JSON or YAML)."""


@app.command("convert")
def convert_command(
    file: Annotated[Path, typer.Argument(help="The API definition to convert.", metavar="FILE", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the 3.0.3 document here instead of standard output.", metavar="OUT"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write the loss report (JSON) here: all that 3.0 cannot say.", metavar="REPORT"),
    ] = None,
    accept: Pointers = None,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Also apply the gateway profile, as a deployment does.")
    ] = False,
    server_url: Annotated[
        str | None, typer.Option("--server-url", help="With --gateway: the one server to route to.", metavar="URL")
    ] = None,
) -> None:
    """Convert an OpenAPI 3.1 definition to OpenAPI 3.0.3 and say what was lost.

    Definitions that are 3.0 or Swagger 2.0 already are checked and pass through unchanged. References to
    other files are followed within the folder of FILE; nothing is downloaded. The exit code is 2 when the
    definition is refused, with the reason on standard error and nothing written.
    """
    try:
        stages = [convert(_document(file), accept_weaker_security=frozenset(accept or ()))]
        if gateway:
            stages.append(gateway_profile(stages[0].document, server_url=server_url))
        _write(stages, out, report)
    except SpecRefused as refused:
        _stop(f"{file}: {refused}")
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
    except ValueError as error:
        _stop(str(error))


def _document(file: Path) -> Document:
    return parse(_bytes(file), name=file.name, files=_Folder(file.parent))


def _bytes(path: Path) -> bytes:
    """No more than shows that the file is too large, whatever it is."""
    with path.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _stop(sentence: str) -> None:
    typer.echo(" ".join(sentence.splitlines()), err=True)
    raise typer.Exit(BAD_FILE)


class _Folder(Mapping[str, bytes]):
    """The files beside a definition by relative path, read when they are referred to; no link leads out."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.realpath(folder))

    def _path(self, name: object) -> Path | None:
        path = Path(os.path.realpath(self._folder / str(name)))  # a link to itself is no error here
        return path if path.is_relative_to(self._folder) and path.is_file() else None

    def __contains__(self, name: object) -> bool:
        return self._path(name) is not None

    def __getitem__(self, name: str) -> bytes:
        path = self._path(name)
        if path is None:
            raise KeyError(name)
        return _bytes(path)

    def __iter__(self) -> Iterator[str]:
        return (path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _write(stages: list[Converted], out: Path | None, report: Path | None) -> None:
    text = to_bytes(stages[-1].document).decode()
    listed = json.dumps(_one_report(stages), indent=2)
    wanted = [(path, content) for path, content in ((out, text), (report, listed)) if path is not None]
    _save([(path, content + "\n") for path, content in wanted])
    if out is None:
        typer.echo(text)
    noted = sum(len(stage.report.entries) for stage in stages)
    if noted and report is None:
        typer.echo(f"{noted} things were lost or deserve a look; --report FILE lists them", err=True)


def _save(files: list[tuple[Path, str]]) -> None:
    """All files or none: what is there already is replaced only when everything is written."""
    drafts: list[tuple[Path, Path]] = []
    try:
        for path, content in files:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
            # a device is written to, not replaced
            target = Path(os.path.realpath(path))
            own = target.with_name(f".{target.name}.{os.getpid()}")
            draft = target if target.exists() and not target.is_file() else own
            drafts.append((draft, target))
            _draft(draft, path, content)
        for draft, path in drafts:
            if draft != path:
                draft.replace(path)
    finally:
        for draft, path in drafts:
            if draft != path:
                draft.unlink(missing_ok=True)


def _draft(draft: Path, path: Path, content: str) -> None:
    try:
        draft.write_text(content, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _one_report(stages: list[Converted]) -> dict[str, object]:
    """The report of the standards stage, extended by the gateway's counts and entries where there are any."""
    merged = stages[0].report.to_dict()
    for stage in stages[1:]:
        later = stage.report.to_dict()
        merged["sha256_out"] = later["sha256_out"]
        merged["gateway_counts"] = later["counts"]
        merged["entries"] = [*merged["entries"], *later["entries"]]
    return merged
