"""What every container has: its settings, the database, and the way of events to Kafka."""

from functools import cached_property
from typing import TYPE_CHECKING

from stoa.kernel.database import Database
from stoa.kernel.publisher import Publisher
from stoa.kernel.settings import DatabaseLogin, KafkaLogin, Secret, Settings

if TYPE_CHECKING:
    from stoa.adapters.kafka import Producer


class Container:
    """`publish_wait_s` is how long a commit waits for its publishing."""

    def __init__(self, settings: Settings, *, publish_wait_s: float) -> None:
        self.settings = settings
        self._publish_wait_s = publish_wait_s

    @cached_property
    def database(self) -> Database:
        return self._database()

    def _database(self) -> Database:
        read = self.settings
        if read.database_login == DatabaseLogin.PASSWORD:
            return Database(read.database_url, read.database_role)
        from stoa.adapters.rds import IamLogin  # noqa: PLC0415

        return Database(Secret(IamLogin(read.database_url.reveal()).conninfo), read.database_role)

    @cached_property
    def producer(self) -> "Producer":
        from stoa.adapters.kafka import Producer, Scram  # noqa: PLC0415

        read = self.settings
        login = Scram(read.kafka_credentials, read.kafka_ca) if read.kafka_login == KafkaLogin.SCRAM else None
        return Producer(read.kafka_bootstrap, login)

    @cached_property
    def publisher(self) -> Publisher:
        own = self._database()  # another connection: it works beside the request, in another thread
        return Publisher(own, lambda rows: self.producer.send(rows), wait_s=self._publish_wait_s)
