"""Where the API's calls go: the backend alias, and the credentials the gateway sends there."""

import base64

from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods.gateway import Gateway, Json
from stoa.adapters.webmethods.wanted import Wanted


def ensure_backend(gateway: Gateway, wanted: Wanted, *, dry: bool) -> bool:
    """The endpoint alias; changing its value re-routes a live API at once."""
    body: Json = {
        "name": wanted.backend_alias,
        "type": "endpoint",
        "endPointURI": wanted.backend["url"].rstrip("/"),
        "connectionTimeout": str(wanted.backend["connection_timeout_s"]),
        "readTimeout": str(wanted.backend["read_timeout_s"]),
        "optimizationTechnique": "None",
        "passSecurityHeaders": False,
    }
    return ensure_alias(gateway, body, dry=dry)


def ensure_credentials(
    gateway: Gateway, wanted: Wanted, secrets: dict[str, SecretValue], sent: dict[str, int], *, dry: bool
) -> bool:
    """The outbound alias, sent again only when Vault has another version than the one sent before.

    `secrets` by reference; `sent` is the Vault version by reference. The gateway reads passwords back as
    asterisks, so its answer can't be compared.
    """
    authentication = wanted.authentication
    if authentication is None:
        return False
    known = gateway.alias(wanted.outbound_alias)
    if known is not None and versions(secrets) == sent:
        return False
    if dry:
        return True
    user, password = secrets[authentication["username_ref"]], secrets[authentication["password_ref"]]
    body: Json = {
        "name": wanted.outbound_alias,
        "type": "httpTransportSecurityAlias",
        "authType": "HTTP_BASIC",
        "authMode": "NEW",
        "httpAuthCredentials": {
            "userName": user.value.reveal(),
            # plain text would be stored corrupted
            "password": base64.b64encode(password.value.reveal().encode()).decode(),
            "domain": "",
        },
    }
    if known is None:
        gateway.add_alias(body)
    else:
        gateway.put_alias({**known, **body})
    return True


def versions(secrets: dict[str, SecretValue]) -> dict[str, int]:
    return {reference: secret.version for reference, secret in secrets.items()}


def remove_alias(gateway: Gateway, name: str, *, dry: bool) -> bool:
    known = gateway.alias(name)
    if known is None:
        return False
    if not dry:
        gateway.delete_alias(known["id"])
    return True


def ensure_alias(gateway: Gateway, body: Json, *, dry: bool) -> bool:
    """Brings an alias without secrets to these values; what else it has stays."""
    known = gateway.alias(body["name"])
    if holds(known, body):
        return False
    if dry:
        return True
    if known is None:
        gateway.add_alias(body)
    else:
        gateway.put_alias({**known, **body})
    return True


def holds(known: Json | None, body: Json) -> bool:
    """Whether an object of the gateway has every value of `body`; it may have more."""
    return known is not None and all(_same(known.get(key), value) for key, value in body.items())


def _same(one: object, other: object) -> bool:
    if isinstance(other, dict):
        return isinstance(one, dict) and holds(one, other)
    if isinstance(other, list):
        return one == other
    return str(one).lower() == str(other).lower() if not isinstance(other, str) else str(one) == other
