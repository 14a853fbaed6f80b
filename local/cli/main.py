"""`stoa`: the command line. Heavy imports wait until a command needs them."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from local.cli import dead_letters, operators
from local.cli.audit import audit
from local.cli.openapi import app as openapi
from local.cli.replay import replay

app = typer.Typer(
    help="STOA Platform: a git push deploys an API to the gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Executor(StrEnum):
    ansible = "ansible"
    direct = "direct"


ExecutorOption = Annotated[
    Executor,
    typer.Option(help="Who does the work of an AWX job: the real playbooks, or the same calls without Ansible."),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Where the state is kept. Default: $STOA_HOME, or .stoa in the clone.")
]


@app.command()
def up(home: HomeOption = None, executor: ExecutorOption = Executor.ansible) -> None:
    """Run the whole platform on this machine and show each deployment as it moves.

    Starts PostgreSQL, Kafka, OpenBao, OpenSearch, S3, the gateway, AWX, GitLab, Argo CD, Slack and the functions, all
    on 127.0.0.1 and on free ports, and seeds a demo tenant with a Git repository. Ctrl-C stops all of it; the state
    stays, but for search and archive, which are filled again from Kafka.
    """
    from rich.console import Console  # noqa: PLC0415

    from local.home import Home, default_home, real  # noqa: PLC0415
    from local.stack import Options  # noqa: PLC0415
    from local.up import up as run  # noqa: PLC0415

    console = Console()
    folder = real(home) if home else default_home()
    with _a_place_for_the_state(folder, "lock"):
        console.print(f"starting STOA; state in {folder}")
        run(Home(folder), Options(executor=executor.value), console)


@app.command()
def demo(
    pushes: Annotated[int, typer.Option(min=1, help="How many warm pushes are timed.")] = 10,
    executor: ExecutorOption = Executor.ansible,
) -> None:
    """Push, serve, update, break and remove an API without a person, and say what was seen.

    Starts the platform in a folder of its own that is made anew each time. The last line is one JSON object;
    the exit code is 0 only if every step was seen.
    """
    from rich.console import Console  # noqa: PLC0415

    from local.demo import Demonstration  # noqa: PLC0415
    from local.home import Home, default_home  # noqa: PLC0415
    from local.stack import Options  # noqa: PLC0415

    with _a_place_for_the_state(default_home(), "demo.lock"):
        folder = default_home() / "demo"
        shutil.rmtree(folder, ignore_errors=True)
        seen = Demonstration(Home(folder), Options(executor=executor.value, around=False), Console(), pushes).run()
    raise typer.Exit(os.EX_OK if seen else 1)


app.command()(operators.trace)
app.command()(operators.lag)
operators.dlq.command("replay")(dead_letters.replay)
app.command()(replay)
app.add_typer(operators.dlq, name="dlq")
app.add_typer(openapi, name="openapi")
app.add_typer(audit, name="audit")


@contextmanager
def _a_place_for_the_state(folder: Path, lock: str) -> Iterator[None]:
    """What its user can mend ends in a sentence. SIGTERM stops, like Ctrl-C, also what is only being started."""
    from local.home import Unusable, occupied  # noqa: PLC0415
    from local.parts.process import DiedEarly  # noqa: PLC0415
    from local.workspace import GitFailed  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_once)
    try:
        with occupied(folder, lock):
            yield
    except Unusable as error:
        _end(str(error))
    except (DiedEarly, GitFailed) as error:
        _end(f"{error}\nThe state is kept: start again, or from nothing with another --home. Logs are in {folder}.")
    except OSError as error:
        what = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        _end(f"{what}. Mend that and start again; logs are in {folder}.")


def _stop_once(_number: int, _frame: FrameType | None) -> None:
    """KeyboardInterrupt, and peace for the stopping that follows: whoever is impatient presses Ctrl-C again."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt


def _end(sentence: str) -> NoReturn:
    typer.echo(f"stoa: {sentence}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
