"""Protocol mappers: what a client scope, or a client itself, writes into tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.emulators.document_store import Json


@dataclass(frozen=True)
class Subject:
    """Whom a token is about. `roles` and `client_roles` are those that the client may see; `notes` are the session's:
    AUTH_TIME and acr of a person, clientHost, clientAddress and client_id of a machine."""

    user: Json
    roles: frozenset[str]
    client_roles: Mapping[str, frozenset[str]]
    origins: tuple[str, ...]
    notes: Mapping[str, Any]


def apply(mapper: Json, target: str, subject: Subject, claims: Json) -> None:
    """`target` is access, id, userinfo or introspection."""
    kind, config = mapper["protocolMapper"], mapper["config"]
    if config.get(f"{target}.token.claim") == "true":
        MAPPERS[kind](config, subject, claims)


def _audience(config: Json, _subject: Subject, claims: Json) -> None:
    _add_audience(claims, config["included.client.audience"])


def _audience_of_roles(_config: Json, subject: Subject, claims: Json) -> None:
    for client in sorted(subject.client_roles):
        _add_audience(claims, client)


def _attribute(config: Json, subject: Subject, claims: Json) -> None:
    name = config["user.attribute"]
    known = {
        "username": subject.user["username"],
        **{n: subject.user.get(n) for n in ("email", "firstName", "lastName")},
    }
    values = [known[name]] if name in known else subject.user["attributes"].get(name, [])
    if values and values[0] is not None:
        _write(claims, config["claim.name"], values[0])


def _property(config: Json, subject: Subject, claims: Json) -> None:
    _write(claims, config["claim.name"], subject.user[config["user.attribute"]])


def _full_name(_config: Json, subject: Subject, claims: Json) -> None:
    parts = [subject.user.get(name) for name in ("firstName", "lastName")]
    if any(parts):
        claims["name"] = " ".join(filter(None, parts))


def _realm_roles(config: Json, subject: Subject, claims: Json) -> None:
    if subject.roles:
        _write(claims, config["claim.name"], sorted(subject.roles))


def _client_roles(config: Json, subject: Subject, claims: Json) -> None:
    for client, roles in subject.client_roles.items():
        path = config["claim.name"].split(".")
        _write_at(claims, [client if part == "${client_id}" else part for part in path], sorted(roles))


def _sub(_config: Json, subject: Subject, claims: Json) -> None:
    claims["sub"] = subject.user["id"]


def _acr(_config: Json, subject: Subject, claims: Json) -> None:
    if "acr" in subject.notes:
        claims["acr"] = subject.notes["acr"]


def _note(config: Json, subject: Subject, claims: Json) -> None:
    if config["user.session.note"] in subject.notes:
        _write(claims, config["claim.name"], subject.notes[config["user.session.note"]])


def _origins(_config: Json, subject: Subject, claims: Json) -> None:
    if subject.origins:
        claims["allowed-origins"] = list(subject.origins)


def _add_audience(claims: Json, client: str) -> None:
    """One is a string, several are a list."""
    given = claims.get("aud", [])
    audience = [*(given if isinstance(given, list) else [given]), client]
    claims["aud"] = audience if len(audience) > 1 else client


def _write(claims: Json, path: str, value: Any) -> None:
    _write_at(claims, path.split("."), value)


def _write_at(claims: Json, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        claims = claims.setdefault(part, {})
    claims[path[-1]] = value


MAPPERS: dict[str, Callable[[Json, Subject, Json], None]] = {
    "oidc-audience-mapper": _audience,
    "oidc-audience-resolve-mapper": _audience_of_roles,
    "oidc-usermodel-attribute-mapper": _attribute,
    "oidc-usermodel-property-mapper": _property,
    "oidc-full-name-mapper": _full_name,
    "oidc-usermodel-realm-role-mapper": _realm_roles,
    "oidc-usermodel-client-role-mapper": _client_roles,
    "oidc-sub-mapper": _sub,
    "oidc-acr-mapper": _acr,
    "oidc-usersessionmodel-note-mapper": _note,
    "oidc-allowed-origins-mapper": _origins,
}
KNOWN = frozenset(MAPPERS)
