"""The realm on this machine: what the placeholders of its files stand for, and who may sign in."""

import json
from collections.abc import Callable

from local.home import IDENTITY_SECRETS, ROOT

REALM = ROOT / "cdk" / "identity" / "realm.json"
USERS = ROOT / "cdk" / "identity" / "demo-users.json"
ELSEWHERE = "https://not-on-this-machine.invalid"


def environment(url: Callable[[str], str], secret: Callable[[str], str]) -> dict[str, str]:
    """What Keycloak, or its emulator, finds in its environment; `url` of a part of the platform. Logs and metrics have
    no pages on this machine."""
    return {
        "STOA_PUBLIC_URL": url("api"),
        "STOA_IDENTITY_URL": url("identity"),
        "STOA_CONSOLE_URL": url("console"),
        "STOA_PORTAL_URL": url("portal"),
        "STOA_DASHBOARDS_URL": ELSEWHERE,
        "STOA_GRAFANA_URL": ELSEWHERE,
        **{name.upper(): secret(name) for name in IDENTITY_SECRETS},
    }


def of_functions(url: Callable[[str], str], secret: Callable[[str], str]) -> dict[str, str]:
    """What the functions find in theirs: whose tokens they take, and the account by which they administer users."""
    realm = f"{url('identity')}/realms/stoa"
    return {
        "STOA_OIDC_ISSUER_URL": realm,
        "STOA_KEYCLOAK_URL": realm,
        "STOA_KEYCLOAK_CLIENT_SECRET": secret("stoa_identity_client_secret"),
    }


def demo_users() -> list[str]:
    """`name (role, tenant)` of each."""
    users = json.loads(USERS.read_text())["users"]
    said = [(user["username"], [*user["realmRoles"], *user.get("attributes", {}).get("tenant", ())]) for user in users]
    return [f"{name} ({', '.join(parts)})" for name, parts in said]
