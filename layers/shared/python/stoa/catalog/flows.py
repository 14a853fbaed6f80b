"""What every environment serves, kept from the results of deployments."""

import re
from dataclasses import dataclass
from typing import Any

from stoa.catalog import store
from stoa.deployments.events import read_finished
from stoa.kernel import metrics
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message

CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")


@dataclass(frozen=True)
class Catalog:
    database: Database

    def record_result(self, message: Message) -> None:
        """deploy-results -> what each environment serves, one row per API, older generations ignored."""
        value = read_finished(message)
        with self.database.transaction(message.tenant) as connection:
            store.record_status(connection, value)
        _count(value)


def _count(value: dict[str, Any]) -> None:
    """Here and not where it ends, so that there is one place; a redelivery counts again."""
    error, status = value.get("error"), value["status"]
    code = str(error.get("code")) if isinstance(error, dict) else ""
    metrics.FINISHED.add(status=status, code=code if not code or CODE.fullmatch(code) else "OTHER")
    if isinstance(value.get("duration_ms"), int):
        metrics.DURATION.add(value["duration_ms"], status=status)
