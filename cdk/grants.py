"""What a grant of cdk/wiring.py takes: settings in the environment, secrets to read. Pure data.

What it may do in IAM is in cdk/stacks/permissions.py, in the same words.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cdk.wiring import Function


@dataclass(frozen=True)
class Needs:
    """Names of fields of stoa's Settings: plain ones, and those that are Secret."""

    settings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


OF_MAPPINGS = ("kafka_credentials", "kafka_ca")
NEEDS = {
    "callers": Needs(
        ("public_url", "oidc_issuer_url", "cors_origins"),
        ("edge_secret", "webhook_secret", "webhook_signing_secret", "awx_webhook_secret", "artefact_token"),
    ),
    "database": Needs(("database_url", "database_login", "database_role")),
    "kafka:write": Needs(("kafka_bootstrap", "kafka_login"), OF_MAPPINGS),
    "gitlab": Needs(("gitlab_url",), ("gitlab_token",)),
    # AWX fetches artefacts from the public URL
    "awx": Needs(("awx_url", "public_url"), ("awx_token",)),
    "argocd": Needs(("argocd_url",), ("argocd_token",)),
    "opensearch:read": Needs(("opensearch_url", "opensearch_user"), ("opensearch_password",)),
    "opensearch:write": Needs(("opensearch_url", "opensearch_user"), ("opensearch_password",)),
    "gateway": Needs(("gateway_dev_url", "gateway_staging_url", "gateway_prod_url")),
    "vault:subkeys": Needs(("vault_url",), ("vault_token",)),
    "vault:channels": Needs(("vault_url",), ("channels_vault_token",)),
    "vault:gateways": Needs(("vault_url",), ("gateways_vault_token",)),
    # the tokens of AWX and GitLab may be references into it
    "vault:systems": Needs(("vault_url",), ("systems_vault_token",)),
    "keycloak": Needs(("keycloak_url",), ("keycloak_client_secret",)),
    "ses": Needs(("mail_from",)),
    "s3:archive": Needs(("archive_bucket",)),
    "secret:audit-signing-key": Needs((), ("audit_signing_key",)),
}


def needs(function: Function) -> Needs:
    """What its code finds in the environment. Raises ValueError for a grant that nobody knows."""
    unknown = [grant for grant in function.grants if grant not in NEEDS]
    if unknown:
        raise ValueError(f"{function.name} has grants that cdk/grants.py does not know: {', '.join(unknown)}")
    found = [NEEDS[grant] for grant in function.grants]
    return Needs(_once(n.settings for n in found), _once(n.secrets for n in found))


def readable(function: Function) -> tuple[str, ...]:
    """The secrets that its role reads: those of its code, and those that its event source mappings read as that role.
    Raises as `needs`."""
    return _once([needs(function).secrets, OF_MAPPINGS if function.sources else ()])


def _once(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))
