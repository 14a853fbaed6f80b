"""The API's handler in a process as Lambda has it, called with the event that API Gateway would send."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.home import ROOT
from local.issuer import issuing
from local.runtime import http_event

TOKEN = "BENCH_TOKEN"  # noqa: S105  a name


def in_a_process(module: str, database_url: str, *arguments: str) -> Any:
    """What `python -m <module>` prints as its last line, JSON; its settings are in its environment."""
    with issuing() as issuer:
        environment = {
            **os.environ,
            "STOA_OIDC_ISSUER_URL": issuer.url,
            TOKEN: issuer.token("cpi-admin", exp=int(time.time()) + 3600),
            "STOA_DATABASE_URL": database_url,
            "STOA_USER_REQUESTS_PER_S": "1000",  # more than one container can
            "STOA_USER_BURST": "10000",
            "AWS_LAMBDA_FUNCTION_NAME": "api",
            "POWERTOOLS_LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def prepare() -> Callable[..., Callable[[], None]]:
    """In that process: makes a call of the handler out of a path and a query. The call raises RuntimeError unless it is
    answered 200."""
    from functions.api.handler import handler  # noqa: PLC0415  reads the environment

    headers = (("host", "api"), ("authorization", f"Bearer {os.environ[TOKEN]}"))

    def get(path: str, query: str = "") -> Callable[[], None]:
        event = http_event.event(http_event.Request("GET", path, query, headers, b"", "127.0.0.1", datetime.now(UTC)))

        def call() -> None:
            if (answer := handler(event, None))["statusCode"] != 200:
                raise RuntimeError(f"GET {path} was answered {answer['statusCode']}")

        return call

    return get
