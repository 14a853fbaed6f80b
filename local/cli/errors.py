"""What a user can mend ends in one sentence on stderr, and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import requests

    from stoa.kernel.errors import Transient


# who was asked, by the package of the error
ASKED = {"kafka": "Kafka", "psycopg": "database", "requests": "HTTP"}


def refused(text: str) -> typer.Exit:
    typer.echo(f"stoa: {text}", err=True)
    return typer.Exit(2)


@contextmanager
def told() -> Iterator[None]:
    """For what is asked over a network. A text of psycopg is not said: it may repeat a part of the address."""
    import psycopg  # noqa: PLC0415
    import requests  # noqa: PLC0415
    from kafka.errors import KafkaError  # noqa: PLC0415

    from local.topics import NoSuchTopic  # noqa: PLC0415
    from stoa.kernel.errors import Refused, Transient  # noqa: PLC0415

    try:
        yield
    except NoSuchTopic as error:
        raise refused(str(error)) from error
    except requests.HTTPError as error:
        raise refused(_problem(error.response)) from error
    except requests.JSONDecodeError as error:
        raise refused("what answered is not the STOA API: is it the right address?") from error
    except Refused as error:
        raise refused(f"{error.code}: {error.detail}") from error
    except Transient as error:
        raise refused(_away(error)) from error
    except (KafkaError, requests.RequestException, psycopg.OperationalError) as error:
        kind = type(error)
        asked = ASKED.get(kind.__module__.partition(".")[0], "system")
        raise refused(_silent(f"{asked}: {kind.__name__}")) from error
    except psycopg.Error as error:
        detail = "is it STOA's, and may its user do this? A replay makes a schema there"
        raise refused(f"the database refuses ({type(error).__name__}): {detail}") from error


def _away(error: Transient) -> str:
    return f"{error}; mend that and run it again" if error.alarm else _silent(str(error))


def _silent(what: str) -> str:
    return f"no answer ({what}): is the platform running, and at this address? `stoa up` starts one here"


def _problem(answer: requests.Response) -> str:
    """In the words of our API; of something that stands before it, only the status."""
    try:
        said = answer.json()
        return f"{said['code']}: {said['detail']}"
    except (ValueError, TypeError, KeyError):
        return f"{answer.url} answered {answer.status_code}: is it the address of the STOA API?"
