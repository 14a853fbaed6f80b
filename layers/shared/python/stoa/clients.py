"""The clients that several flows share, built once per container, at first use."""

from functools import cached_property
from typing import TYPE_CHECKING

from stoa.kernel.database import Database
from stoa.kernel.publisher import Publisher
from stoa.kernel.settings import Settings

# imported where they are built: see bootstrap.py
if TYPE_CHECKING:
    from stoa.adapters.awx import Awx
    from stoa.adapters.gitlab import GitLab
    from stoa.adapters.kafka import Producer
    from stoa.adapters.oidc import Issuer
    from stoa.adapters.opensearch import OpenSearch
    from stoa.adapters.vault import Vault


class Clients:
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

    @cached_property
    def awx(self) -> "Awx":
        from stoa.adapters.awx import Awx  # noqa: PLC0415

        return Awx(self.settings.awx_url, self.settings.awx_token, timeout_s=self.settings.awx_timeout_s)

    @cached_property
    def gitlab(self) -> "GitLab":
        from stoa.adapters.gitlab import GitLab  # noqa: PLC0415

        return GitLab(self.settings.gitlab_url, self.settings.gitlab_token)

    @cached_property
    def vault(self) -> "Vault":
        from stoa.adapters.vault import Vault  # noqa: PLC0415

        return Vault(self.settings.vault_url, self.settings.vault_token)

    @cached_property
    def opensearch(self) -> "OpenSearch":
        from stoa.adapters.opensearch import OpenSearch  # noqa: PLC0415

        read = self.settings
        return OpenSearch(read.opensearch_url, read.opensearch_user, read.opensearch_password)

    @cached_property
    def issuer(self) -> "Issuer":
        from stoa.adapters.oidc import Issuer  # noqa: PLC0415

        read = self.settings
        keys = read.oidc_keys_url or f"{read.oidc_issuer_url}/protocol/openid-connect/certs"
        return Issuer(read.oidc_issuer_url, keys, read.oidc_audience, frozenset(read.oidc_clients.split()))
