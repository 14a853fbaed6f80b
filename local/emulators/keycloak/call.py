"""One request, and the server that it is for."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from local.emulators.document_store import Json
from local.emulators.keycloak.answers import admin, oauth
from local.emulators.keycloak.keys import Keys
from local.emulators.keycloak.people import People
from local.emulators.keycloak.realm import Client, Realm
from local.emulators.keycloak.sessions import Sessions
from local.emulators.keycloak.settings import Oddities
from local.emulators.keycloak.tokens import Grant, Tokens

Values = Mapping[str, list[str]]


@dataclass(frozen=True)
class Server:
    """`url` is the realm's, which is its issuer as well."""

    url: str
    realm: Realm
    keys: Keys
    people: People
    sessions: Sessions
    tokens: Tokens
    oddities: Oddities

    @property
    def protocol(self) -> str:
        return f"{self.url}/protocol/openid-connect"


@dataclass
class Call:
    """`names` are those in the path. A handler notes in `readable` that the page which asked may read the answer, and
    in `afterwards` what is to be done once its changes are kept."""

    server: Server
    names: Mapping[str, str]
    query: Values
    form: Values
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes
    address: str
    now: int
    readable: bool = False
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    def asked(self, name: str) -> str:
        """Of the query, which pages use; empty without one."""
        return (self.query.get(name) or [""])[0]

    def sent(self, name: str) -> str:
        """Of the form; empty without one."""
        return (self.form.get(name) or [""])[0]

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def authenticated(self) -> Client:
        """The client of the form or of the Basic header. Raises Refused 401."""
        name, secret = self._credentials()
        client = self.server.realm.clients.get(name)
        if client is None or not client.enabled:
            raise oauth("invalid_client", BAD_CLIENT, 401)
        if not client.public and not hmac.compare_digest(client.secret.encode(), secret.encode()):
            raise oauth("unauthorized_client", BAD_CLIENT, 401)
        self.let_read(client)
        return client

    def let_read(self, client: Client) -> None:
        """A page may call for this client only from one of its origins. Raises Refused 403 before anything is done."""
        origin = self.headers.get("origin")
        if origin is not None and origin not in client.origins:
            raise admin(403, "Invalid origin")
        self.readable = True

    def _credentials(self) -> tuple[str, str]:
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        name, secret = self.sent("client_id"), self.sent("client_secret")
        if scheme.lower() != "basic":
            return name, secret
        try:
            given, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        user = unquote_plus(given)
        # of two clients in one request neither is believed
        return user, unquote_plus(password) if name in ("", user) else ""


BAD_CLIENT = "Invalid client or Invalid client credentials"


def living(call: Call, claims: Json) -> Grant | None:
    """Whom an access token is about, as they are now; None when the session is over, the user is gone, or the token was
    revoked. A machine has no session."""
    server = call.server
    client, user = server.realm.clients.get(claims["azp"]), server.people.get(claims.get("sub", ""))
    if client is None or user is None or not user["enabled"] or server.sessions.revoked(claims["jti"]):
        return None
    session = None
    if "sid" in claims:
        session = server.sessions.get(claims["sid"], call.now)
        if session is None or client.name not in session["clients"]:
            return None
    notes = {"AUTH_TIME": claims.get("auth_time"), "acr": claims.get("acr")} if session else {}
    return Grant("", client, user, claims["scope"], notes, session)
