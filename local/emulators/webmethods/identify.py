"""Who calls: the application that the identification rules of an API find for a request."""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from local.emulators.webmethods.answers import Json
from local.emulators.webmethods.dates import FORMAT, now
from local.emulators.webmethods.deployment import Deployment, Rule
from local.emulators.webmethods.store import Store
from local.emulators.webmethods.tokens import matches

KEY_HEADERS = ("x-gateway-apikey", "x-centrasite-apikey")


class NotIdentified(Exception):
    """Nobody was found; `status` is 403 when only addresses were asked for, else 401."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Given:
    """What a request says of its caller; `claims` are those of a token that was verified."""

    headers: Mapping[str, str]
    client_ip: str
    claims: Json | None = None


def wants_token(deployment: Deployment) -> bool:
    wanted = deployment.identification
    return wanted is not None and any(rule.kind == "jwtClaims" for rule in wanted.rules)


def caller(store: Store, deployment: Deployment, given: Given) -> Json | None:
    """The application that calls, None for an anonymous one. Raises NotIdentified."""
    wanted = deployment.identification
    if wanted is None:
        return None
    found = [_by_rule(store, rule, deployment.api_id, given) for rule in wanted.rules]
    if wanted.every:
        common = set.intersection(*({app["id"] for app in apps} for apps in found))
        matching = [app for app in found[0] if app["id"] in common]
    else:
        matching = [app for apps in found for app in apps]
    if matching:
        return matching[0]
    if wanted.anonymous:
        return None
    raise NotIdentified(403 if all(rule.kind == "ipAddressRange" for rule in wanted.rules) else 401)


def _by_rule(store: Store, rule: Rule, api_id: str, given: Given) -> list[Json]:
    if rule.kind == "apiKey":
        found = [app for app in store.found("application", f"key {_key(store, given.headers)}") if not _expired(app)]
    elif rule.kind == "ipAddressRange":
        found = [app for app in store.all("application") if _address_fits(app, given.client_ip)]
    elif rule.kind == "httpBasicAuth":
        user = _basic_user(given.headers)
        found = [app for app in store.all("application") if user and user in identifiers(app, "httpBasicAuth")]
    elif rule.kind == "jwtClaims":
        found = [app for app in store.all("application") if matches(identifiers(app, "jwtClaims"), given.claims)]
    else:
        found = []
    return [app for app in found if _may(app, rule, api_id)]


def _may(app: Json, rule: Rule, api_id: str) -> bool:
    return not app.get("isSuspended") and (not rule.strict or api_id in app.get("consumingAPIs", []))


def _key(store: Store, headers: Mapping[str, str]) -> str:
    extended = store.get("configuration", "extended") or {}
    own = str(extended.get("apiKeyHeader", KEY_HEADERS[0])).lower()
    return headers.get(own) or headers.get(KEY_HEADERS[1]) or ""


def _expired(app: Json) -> bool:
    date = app["accessTokens"]["apiAccessKey_credentials"].get("expirationDate")
    return bool(date) and datetime.strptime(date, FORMAT).replace(tzinfo=now().tzinfo) < now()


def identifiers(app: Json, key: str) -> list[str]:
    return [text for entry in app.get("identifiers", []) if entry.get("key") == key for text in entry["value"]]


def _basic_user(headers: Mapping[str, str]) -> str | None:
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _address_fits(app: Json, client_ip: str) -> bool:
    address = ipaddress.ip_address(client_ip)
    for text in identifiers(app, "ipAddressRange"):
        first, _, last = text.partition("-")
        try:
            bounds = ipaddress.ip_address(first.strip()), ipaddress.ip_address((last or first).strip())
        except ValueError:
            continue
        if int(bounds[0]) <= int(address) <= int(bounds[1]) and bounds[0].version == address.version:
            return True
    return False
