"""What every container has: its settings, the database, and the way of events to Kafka."""

from functools import cached_property
from typing import TYPE_CHECKING

from stoa.kernel.database import Database
from stoa.kernel.publisher import Publisher
from stoa.kernel.settings import Settings

if TYPE_CHECKING:
    from stoa.adapters.kafka import Producer


class Container:
    """`publish_wait_s` is how long a commit waits for its publishing."""

    def __init__(self, settings: Settings, *, publish_wait_s: float) -> None:
        self.settings = settings
        self._publish_wait_s = publish_wait_s

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url, self.settings.database_role)

    @cached_property
    def producer(self) -> "Producer":
        from stoa.adapters.kafka import Producer  # noqa: PLC0415

        return Producer(self.settings.kafka_bootstrap)

    @cached_property
    def publisher(self) -> Publisher:
        # its own connection: it works beside the request, in another thread
        own = Database(self.settings.database_url, self.settings.database_role)
        return Publisher(own, lambda rows: self.producer.send(rows), wait_s=self._publish_wait_s)
