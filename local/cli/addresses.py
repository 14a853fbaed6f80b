"""Where things are and who we are: as the environment or an option says, or as the platform that runs here wrote down.

What cannot be an address is refused before anybody is asked, so that nobody looks for a platform that is away. Values
that may hold a secret are never repeated.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.cli.errors import refused

if TYPE_CHECKING:
    from local.sign_in import Bearer
    from stoa.adapters.s3 import Bucket

BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
TOKEN = re.compile(r"[!-~]+")  # what a header may hold


def brokers(given: str | None, home: Path | None) -> str:
    """Kafka's addresses, with commas between them."""
    text = given or f"127.0.0.1:{kept(home, 'kafka/ports.json', 'broker')}"
    found = [BROKER.fullmatch(one) for one in text.split(",")]
    if not all(one and int(one[2]) <= 65_535 for one in found):
        raise refused(f"{text} is no address of Kafka: say it as host:port")
    return text


def http_url(name: str, text: str) -> str:
    """`name` is what the user set it with."""
    try:
        parts = urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return text
    except ValueError:
        pass
    raise refused(f"{name} is no URL: say it as https://host")


def who(home: Path | None) -> Bearer:
    """STOA_API_TOKEN, or who administers the platform that runs here.

    Never an option: arguments are seen by everybody on the machine.
    """
    from local.sign_in import Bearer, SignIn  # noqa: PLC0415

    text = os.environ.get("STOA_API_TOKEN")
    if text is None:
        password = str(kept(home, "secrets.json", "demo_password"))
        return SignIn(lambda name: f"http://127.0.0.1:{kept(home, 'ports.json', name)}", password)
    if not TOKEN.fullmatch(text):
        raise refused("STOA_API_TOKEN is no token: it is empty, or has a space, a line end or a letter with an accent")
    return Bearer(text)


def archive(home: Path | None) -> Bucket:
    """STOA_ARCHIVE_BUCKET and STOA_S3_ENDPOINT, or that of the platform that runs here."""
    from local.memories import ARCHIVE  # noqa: PLC0415
    from stoa.adapters.s3 import Bucket  # noqa: PLC0415

    bucket, endpoint = os.environ.get("STOA_ARCHIVE_BUCKET"), os.environ.get("STOA_S3_ENDPOINT", "")
    if not bucket:
        bucket, endpoint = ARCHIVE, endpoint or f"http://127.0.0.1:{kept(home, 'ports.json', 's3')}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            os.environ.setdefault(name, "local")  # of an S3 that asks for any
    return Bucket(bucket, http_url("STOA_S3_ENDPOINT", endpoint) if endpoint else "")


def database_url(home: Path | None) -> str:
    """Never an option either: it may hold a password."""
    import psycopg  # noqa: PLC0415

    from local.home import default_home  # noqa: PLC0415
    from local.parts.postgres import url_of  # noqa: PLC0415

    text = os.environ.get("STOA_DATABASE_URL") or url_of((home or default_home()) / "postgres")
    try:
        psycopg.conninfo.conninfo_to_dict(text)
    except psycopg.Error:
        # without its cause, which repeats a part of it
        raise refused("STOA_DATABASE_URL is no address: say it as postgresql://user:password@host/database") from None
    return text


def kept(home: Path | None, file: str, name: str) -> Any:
    """What the platform of that folder has written down."""
    from local.home import default_home  # noqa: PLC0415

    path = (home or default_home()) / file
    try:
        return json.loads(path.read_text())[name]
    except FileNotFoundError:
        raise refused(f"no platform has run here ({path} is missing): `stoa up` starts one") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refused(f"{path} cannot be read ({error}): is --home its folder?") from None
