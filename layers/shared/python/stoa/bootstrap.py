"""The composition root: flows are built once per container, at first use, with the clients they need."""

from functools import cache, cached_property
from typing import TYPE_CHECKING

from stoa.bootstrap_identity import IdentityParts
from stoa.kernel.settings import settings

# Loading every adapter would cost each function the imports of all; they are imported where they are
# built, and nowhere else.
if TYPE_CHECKING:
    from stoa.adapters.secrets_manager import SecretsManager
    from stoa.adapters.vault import Vault
    from stoa.archive.flows import Archive
    from stoa.audit.flows import AuditChain, Heartbeat
    from stoa.authoring.flows import Authoring
    from stoa.authoring.flows_by_hand import Authors
    from stoa.authoring.queries import ChangeQueries
    from stoa.catalog.flows import Catalog
    from stoa.catalog.queries import CatalogQueries
    from stoa.deployments.flows import Deployments
    from stoa.deployments.flows_by_hand import ByHand
    from stoa.deployments.queries import DeploymentQueries
    from stoa.gateway_admin.flows import GatewayAdmin
    from stoa.gitops.flows import GitOps
    from stoa.gitops.flows_by_hand import ByHand as GitOpsByHand
    from stoa.gitops.queries import PushQueries
    from stoa.lifecycle.flows import Lifecycle
    from stoa.notifications.flows import Notifications
    from stoa.notifications.flows_by_hand import Channels
    from stoa.notifications.queries import NotificationQueries
    from stoa.rollouts.flows import Rollouts
    from stoa.rollouts.queries import RolloutQueries
    from stoa.search.flows import Search
    from stoa.search.queries import SearchQueries, TraceQueries

REQUEST_WAIT_S = 0.03
CONSUMER_WAIT_S = 1.0
RETRY_PAUSE_S = 15.0


class App(IdentityParts):
    """Everything one container needs."""

    @cached_property
    def deployments(self) -> "Deployments":
        from stoa.deployments.flows import Deployments  # noqa: PLC0415

        return Deployments(
            database=self.database,
            publish=self.publisher.soon,
            awx=self.awx,
            prepare=lambda d: self.gitops.prepare(d.project_id, d.commit, d.lane.key, d.lane.environment, d.action),
            public_url=self.settings.public_url,
            launch_may_arrive_s=self.settings.launch_may_arrive_s,
            retry_pause_s=self.settings.scaled(RETRY_PAUSE_S),
        )

    @cached_property
    def by_hand(self) -> "ByHand":
        from stoa.deployments.flows_by_hand import ByHand  # noqa: PLC0415

        return ByHand(self.database, self.publisher.soon, self.awx)

    @cached_property
    def deployment_queries(self) -> "DeploymentQueries":
        from stoa.deployments.queries import DeploymentQueries  # noqa: PLC0415

        return DeploymentQueries(self.database)

    @cached_property
    def catalog(self) -> "Catalog":
        from stoa.catalog.flows import Catalog  # noqa: PLC0415

        return Catalog(self.database)

    @cached_property
    def catalog_queries(self) -> "CatalogQueries":
        from stoa.catalog.queries import CatalogQueries  # noqa: PLC0415

        return CatalogQueries(self.database)

    @cached_property
    def notifications(self) -> "Notifications":
        from stoa.adapters.email import Mail  # noqa: PLC0415
        from stoa.adapters.slack import Slack  # noqa: PLC0415
        from stoa.notifications.flows import Notifications  # noqa: PLC0415

        read = self.settings
        return Notifications(
            database=self.database,
            publish=self.publisher.soon,
            slack=Slack(read.slack_url),
            mail=Mail(read.smtp_host, read.smtp_port, read.mail_from, tls=read.smtp_tls),
            vault=lambda: self.channels_vault,
            time_scale=read.time_scale,
        )

    @cached_property
    def channels_vault(self) -> "Vault":
        from stoa.adapters.vault import Vault  # noqa: PLC0415

        return Vault(self.settings.vault_url, self.settings.channels_vault_token)

    @cached_property
    def channels(self) -> "Channels":
        from stoa.notifications.flows_by_hand import Channels  # noqa: PLC0415

        return Channels(self.database, self.publisher.soon)

    @cached_property
    def rollouts(self) -> "Rollouts":
        from stoa.adapters.argocd import ArgoCd  # noqa: PLC0415
        from stoa.rollouts.flows import Rollouts  # noqa: PLC0415

        argocd = ArgoCd(self.settings.argocd_url, self.settings.argocd_token)
        return Rollouts(self.database, argocd, time_scale=self.settings.time_scale)

    @cached_property
    def rollout_queries(self) -> "RolloutQueries":
        from stoa.rollouts.queries import RolloutQueries  # noqa: PLC0415

        return RolloutQueries(self.database)

    @cached_property
    def notification_queries(self) -> "NotificationQueries":
        from stoa.notifications.queries import NotificationQueries  # noqa: PLC0415

        return NotificationQueries(self.database)

    @cached_property
    def search(self) -> "Search":
        from stoa.search.flows import Search  # noqa: PLC0415

        return Search(self.opensearch)

    @cached_property
    def search_queries(self) -> "SearchQueries":
        from stoa.search.queries import SearchQueries  # noqa: PLC0415

        return SearchQueries(self.opensearch)

    @cached_property
    def trace_queries(self) -> "TraceQueries":
        from stoa.search.queries import TraceQueries  # noqa: PLC0415

        return TraceQueries(self.database)

    @cached_property
    def archive(self) -> "Archive":
        from stoa.adapters.s3 import Bucket  # noqa: PLC0415
        from stoa.archive.flows import Archive  # noqa: PLC0415

        bucket = Bucket(self.settings.archive_bucket, self.settings.s3_endpoint)
        return Archive(self.database, bucket, {"audit-log": self.audit_chain.extend})

    @cached_property
    def audit_chain(self) -> "AuditChain":
        from stoa.adapters.s3 import Bucket  # noqa: PLC0415
        from stoa.adapters.signing import SigningKey  # noqa: PLC0415
        from stoa.audit.flows import AuditChain  # noqa: PLC0415

        read = self.settings
        return AuditChain(
            self.database, Bucket(read.archive_bucket, read.s3_endpoint), SigningKey(read.audit_signing_key)
        )

    @cached_property
    def heartbeat(self) -> "Heartbeat":
        from stoa.audit.flows import Heartbeat  # noqa: PLC0415

        return Heartbeat(self.database, self.publisher.soon)

    @cached_property
    def push_queries(self) -> "PushQueries":
        from stoa.gitops.queries import PushQueries  # noqa: PLC0415

        return PushQueries(self.database)

    @cached_property
    def gateway_admin(self) -> "GatewayAdmin":
        from stoa.adapters.vault import Vault  # noqa: PLC0415
        from stoa.adapters.webmethods.admin_proxy import Gateways  # noqa: PLC0415
        from stoa.gateway_admin.flows import GatewayAdmin  # noqa: PLC0415

        read = self.settings
        urls = {"dev": read.gateway_dev_url, "staging": read.gateway_staging_url, "prod": read.gateway_prod_url}
        vault = Vault(read.vault_url, read.gateways_vault_token)
        gateways = Gateways(urls, frozenset(read.gateway_direct.split()), vault.read)
        return GatewayAdmin(self.database, self.publisher.soon, gateways.of)

    @cached_property
    def gitops(self) -> "GitOps":
        from stoa.gitops.flows import GitOps  # noqa: PLC0415

        return GitOps(
            database=self.database,
            publish=self.publisher.soon,
            request=lambda *wanted: self.deployments.request(*wanted),
            standing=lambda project: self.deployment_queries.standing(project),
            authored=lambda *commits: self.authoring.authored(*commits),
            settle=lambda *made: self.authoring.settle(*made),
            gitlab=lambda: self.gitlab,
            vault=lambda: self.vault,
            members=lambda *asked: self.members.ask(*asked),
            nearby=frozenset(self.settings.nearby_backends.split()),
        )

    @cached_property
    def lifecycle(self) -> "Lifecycle":
        from stoa.lifecycle.flows import Lifecycle  # noqa: PLC0415

        return Lifecycle(self.database)

    @cached_property
    def gitops_by_hand(self) -> "GitOpsByHand":
        from stoa.gitops.flows_by_hand import ByHand  # noqa: PLC0415

        return ByHand(self.database, self.publisher.soon, lambda *wanted: self.deployments.request(*wanted))

    @cached_property
    def authoring(self) -> "Authoring":
        from stoa.authoring.flows import Authoring  # noqa: PLC0415
        from stoa.gitops.model import gateway_document  # noqa: PLC0415

        return Authoring(
            database=self.database,
            publish=self.publisher.soon,
            accept=lambda push: self.gitops.accept_push(push),
            convert=gateway_document,
            gitlab=lambda: self.gitlab,
            nearby=frozenset(self.settings.nearby_backends.split()),
        )

    @cached_property
    def authors(self) -> "Authors":
        from stoa.authoring.flows_by_hand import Authors  # noqa: PLC0415

        return Authors(self.database, self.publisher.soon, frozenset(self.settings.nearby_backends.split()))

    @cached_property
    def change_queries(self) -> "ChangeQueries":
        from stoa.authoring.queries import ChangeQueries  # noqa: PLC0415

        return ChangeQueries(self.database)


@cache
def _secrets() -> "SecretsManager":
    from stoa.adapters.secrets_manager import SecretsManager  # noqa: PLC0415

    return SecretsManager()


def read_secret(arn: str) -> str:
    """Of the one reader of this container. Raises Transient."""
    return _secrets().read(arn)


@cache
def app() -> App:
    """The App of this container."""
    read = settings(read_secret)
    wait = REQUEST_WAIT_S if read.function == "api" else CONSUMER_WAIT_S
    return App(read, publish_wait_s=wait)
