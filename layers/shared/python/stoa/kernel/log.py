"""Structured logs: constant messages, fields, the trace id on every line."""

import logging

from aws_lambda_powertools import Logger

log = Logger(service="stoa", use_rfc3339=True, utc=True)

logging.getLogger("kafka").setLevel(logging.CRITICAL)


def bind(**fields: str | int | None) -> None:
    """Puts fields on every following line of this invocation; `None` takes one off."""
    log.append_keys(**fields)


def unbind() -> None:
    """Takes off what an earlier record or request of this container put on."""
    log.clear_state()
