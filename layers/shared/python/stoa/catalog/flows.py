"""What every environment serves, kept from the results of deployments."""

from dataclasses import dataclass

from stoa.catalog import store
from stoa.deployments.events import read_finished
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message


@dataclass(frozen=True)
class Catalog:
    database: Database

    def record_result(self, message: Message) -> None:
        """deploy-results -> what each environment serves, one row per API, older generations ignored."""
        value = read_finished(message)
        with self.database.transaction(message.tenant) as connection:
            store.record_status(connection, value)
