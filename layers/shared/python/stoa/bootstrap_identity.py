"""The part of the composition root that is about people: who calls, who belongs where, who is signed in."""

from functools import cached_property
from typing import TYPE_CHECKING

from stoa.bootstrap_clients import Clients

if TYPE_CHECKING:
    from stoa.adapters.keycloak import Keycloak
    from stoa.adapters.oidc import Issuer
    from stoa.members.flows import Members
    from stoa.members.flows_by_hand import Sessions
    from stoa.members.queries import MemberQueries
    from stoa.tenancy.flows import Identity, Refusals
    from stoa.tenancy.flows_by_hand import Tenants
    from stoa.tenancy.queries import TenantQueries


class IdentityParts(Clients):
    """Built at first use, as everything in bootstrap.py."""

    @cached_property
    def identity(self) -> "Identity":
        from stoa.tenancy.flows import Identity  # noqa: PLC0415

        return Identity(self.database, lambda: self.issuer)

    @cached_property
    def refusals(self) -> "Refusals":
        from stoa.tenancy.flows import Refusals  # noqa: PLC0415

        return Refusals(self.database, self.publisher.soon)

    @cached_property
    def issuer(self) -> "Issuer":
        from stoa.adapters.oidc import Issuer  # noqa: PLC0415

        read = self.settings
        keys = read.oidc_keys_url or f"{read.oidc_issuer_url}/protocol/openid-connect/certs"
        return Issuer(read.oidc_issuer_url, keys, read.oidc_audience, frozenset(read.oidc_clients.split()))

    @cached_property
    def tenants(self) -> "Tenants":
        from stoa.tenancy.flows_by_hand import Tenants  # noqa: PLC0415

        return Tenants(self.database, self.publisher.soon, lambda *asked: self.members.dissolve(*asked))

    @cached_property
    def tenant_queries(self) -> "TenantQueries":
        from stoa.tenancy.queries import TenantQueries  # noqa: PLC0415

        return TenantQueries(self.database)

    @cached_property
    def keycloak(self) -> "Keycloak":
        from stoa.adapters.keycloak import Keycloak  # noqa: PLC0415

        return Keycloak(self.settings.keycloak_url, self.settings.keycloak_client_secret)

    @cached_property
    def members(self) -> "Members":
        from stoa.members.flows import Members  # noqa: PLC0415
        from stoa.tenancy.flows import deny_user  # noqa: PLC0415

        read = self.settings
        return Members(self.database, self.publisher.soon, lambda: self.keycloak, deny_user, read.time_scale)

    @cached_property
    def member_queries(self) -> "MemberQueries":
        from stoa.members.queries import MemberQueries  # noqa: PLC0415

        return MemberQueries(self.database)

    @cached_property
    def sessions(self) -> "Sessions":
        from stoa.members.flows_by_hand import Sessions  # noqa: PLC0415
        from stoa.tenancy.flows import deny_session  # noqa: PLC0415

        read = self.settings
        return Sessions(self.database, self.publisher.soon, lambda: self.keycloak, deny_session, read.time_scale)
