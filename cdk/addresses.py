"""Where a stage's systems answer. Pure data: one place to change when one of them moves."""

from collections.abc import Mapping

from cdk.stages import StageSettings

INSIDE = "stoa.internal"  # the private zone of the VPC


def api(stage: StageSettings) -> str:
    return f"api.{stage.domain}"


def origin(stage: StageSettings) -> str:
    """What CloudFront asks, and nobody else gets an answer from."""
    return f"origin-api.{stage.domain}"


def addresses(stage: StageSettings) -> Mapping[str, str]:
    """Settings of the functions, by their names; what runs in the cluster is reached inside the VPC, except for
    Keycloak, whose tokens name the address that browsers have."""
    return {
        "public_url": f"https://{api(stage)}",
        "oidc_issuer_url": f"https://identity.{stage.domain}/realms/stoa",
        "cors_origins": f"https://console.{stage.domain},https://portal.{stage.domain}",
        "gitlab_url": f"https://gitlab.{stage.domain}",
        "awx_url": f"https://awx.{INSIDE}",
        "argocd_url": f"https://argocd.{INSIDE}",
        "opensearch_url": f"https://opensearch.{INSIDE}:9200",
        "opensearch_user": "stoa",
        "vault_url": f"https://vault.{INSIDE}:8200",
        "gateway_dev_url": f"https://gateway-dev.{stage.domain}",
        "gateway_staging_url": f"https://gateway-staging.{stage.domain}",
        "gateway_prod_url": f"https://gateway-prod.{stage.domain}",
        "mail_from": f"stoa@{stage.domain}",
    }
