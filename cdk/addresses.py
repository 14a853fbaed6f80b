"""Where a stage's systems answer. Pure data: one place to change when one of them moves."""

from collections.abc import Mapping

from cdk.stages import StageSettings


def api(stage: StageSettings) -> str:
    return f"api.{stage.domain}"


def origin(stage: StageSettings) -> str:
    """What CloudFront asks, and nobody else gets an answer from."""
    return f"origin-api.{stage.domain}"


def addresses(stage: StageSettings) -> Mapping[str, str]:
    """Settings of the functions, by their names. What runs in the cluster has names of its own inside the VPC
    (cdk/stacks/entrances.py); Keycloak the one that browsers have too, since tokens name it."""
    return {
        "public_url": f"https://{api(stage)}",
        "oidc_issuer_url": f"https://auth.{stage.domain}/realms/stoa",
        "keycloak_url": f"https://auth.{stage.domain}/realms/stoa",
        "cors_origins": f"https://console.{stage.domain},https://portal.{stage.domain}",
        "gitlab_url": f"https://gitlab.{stage.domain}",
        "awx_url": f"https://awx.{stage.domain}",
        "argocd_url": f"https://argocd.{stage.domain}",
        "opensearch_url": f"https://opensearch.{stage.domain}",
        "opensearch_user": "stoa",
        "vault_url": f"https://vault.{stage.domain}",
        "gateway_dev_url": f"https://gateway-dev.{stage.domain}",
        "gateway_staging_url": f"https://gateway-staging.{stage.domain}",
        "gateway_prod_url": f"https://gateway-prod.{stage.domain}",
        "mail_from": f"stoa@{stage.domain}",
    }
