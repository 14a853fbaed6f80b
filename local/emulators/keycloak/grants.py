"""The token endpoint."""

import base64
import hashlib
import hmac
import re

from starlette.responses import Response

from local.emulators.document_store import Json
from local.emulators.keycloak.answers import NO_STORE, answer, oauth
from local.emulators.keycloak.call import Call
from local.emulators.keycloak.realm import Client
from local.emulators.keycloak.tokens import Grant

PROOF = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")  # RFC 7636, sections 4.1 and 4.2, verifier and challenge
NO_CLIENT = "Session doesn't have required client"


def token(call: Call) -> Response:
    if any(len(values) > 1 for values in call.form.values()):
        raise oauth("invalid_request", "duplicated parameter")
    kind = call.sent("grant_type")
    if not kind:
        raise oauth("invalid_request", "Missing form parameter: grant_type")
    if kind not in GRANTS:
        raise oauth("unsupported_grant_type", "Unsupported grant_type")
    return answer(GRANTS[kind](call, call.authenticated()), headers=NO_STORE)


def _code(call: Call, client: Client) -> Json:
    if not call.sent("code"):
        raise oauth("invalid_request", "Missing parameter: code")
    server = call.server
    code = server.sessions.redeem(call.sent("code"), call.now)
    session = server.sessions.get(code["session"], call.now) if code else None
    if code is None or session is None:
        raise oauth("invalid_grant", "Code not valid")
    if code["client"] != client.name:
        raise oauth("invalid_grant", "Auth error: Found different client_id in clientSession")
    if code["redirect_uri"] != call.sent("redirect_uri"):
        raise oauth("invalid_grant", "Incorrect redirect_uri")
    _check_verifier(code["code_challenge"], call.form.get("code_verifier", []))
    user = _living(call, session)
    notes = {"AUTH_TIME": session["started"], "acr": code["acr"]}
    grant = Grant("authorization_code", client, user, code["scope"], notes, session, code["nonce"])
    return server.tokens.answer(grant, server.sessions, call.now)


def _refresh(call: Call, client: Client) -> Json:
    """A token that was used before ends all that the client has in this session: one of two has stolen it."""
    if not call.sent("refresh_token"):
        raise oauth("invalid_request", "No refresh token")
    server = call.server
    claims = server.keys.verified(call.sent("refresh_token"), "Refresh", server.url)
    if claims is None:
        raise oauth("invalid_grant", "Invalid refresh token")
    if claims["azp"] != client.name:
        raise oauth("invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
    session = server.sessions.get(claims["sid"], call.now)
    if session is None or claims["exp"] <= call.now:
        raise oauth("invalid_grant", "Session not active" if session is None else "Token is not active")
    user = _living(call, session)
    held = session["clients"].get(client.name)
    if held is None or claims["reuse_id"] not in held["families"]:
        raise oauth("invalid_grant", NO_CLIENT)
    counts, used = held["families"][claims["reuse_id"]]
    if claims["jti"] != counts:
        server.sessions.leave(session, client)
        just = "Maximum allowed refresh token reuse exceeded"
        raise oauth("invalid_grant", just if claims["jti"] == used else "Stale token")
    notes = {"AUTH_TIME": session["started"], "acr": claims["acr"]}
    grant = Grant("refresh_token", client, user, claims["scope"], notes, session, narrowed=_narrowed(call, client))
    return server.tokens.answer(grant, server.sessions, call.now, claims["reuse_id"])


def _narrowed(call: Call, client: Client) -> str | None:
    """Less than the login asked for, in this answer alone; more is not given."""
    if call.server.realm.unknown_scopes(client, call.sent("scope")):
        raise oauth("invalid_scope", f"Invalid scopes: {call.sent('scope')}")
    return call.sent("scope") or None


def _machine(call: Call, client: Client) -> Json:
    if client.public:
        raise oauth("unauthorized_client", "Public client not allowed to retrieve service account", 401)
    user = call.server.people.account_of(client) if client.service else None
    if user is None:
        raise oauth("unauthorized_client", "Client not enabled to retrieve service account", 401)
    if not user["enabled"]:
        raise oauth("unauthorized_client", "User disabled", 401)
    if call.server.realm.unknown_scopes(client, call.sent("scope")):
        raise oauth("invalid_scope", f"Invalid scopes: {call.sent('scope')}")
    notes = {"clientHost": call.address, "clientAddress": call.address, "client_id": client.name}
    grant = Grant("client_credentials", client, user, call.sent("scope"), notes)
    return call.server.tokens.answer(grant, call.server.sessions, call.now)


def _password(_call: Call, _client: Client) -> Json:
    """No client of a realm that is emulated has direct grants."""
    raise oauth("unauthorized_client", "Client not allowed for direct access grants")


def _living(call: Call, session: Json) -> Json:
    user = call.server.people.get(session["user"])
    if user is None or not user["enabled"]:
        raise oauth("invalid_grant", "User disabled")
    return user


def _check_verifier(challenge: str, given: list[str]) -> None:
    if not challenge:
        return
    if not given:
        raise oauth("invalid_grant", "PKCE code verifier not specified")
    if not PROOF.match(given[0]):
        raise oauth("invalid_grant", "PKCE verification failed: Invalid code verifier")
    made = base64.urlsafe_b64encode(hashlib.sha256(given[0].encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(made, challenge):
        raise oauth("invalid_grant", "PKCE verification failed: Code mismatch")


GRANTS = {
    "authorization_code": _code,
    "refresh_token": _refresh,
    "client_credentials": _machine,
    "password": _password,
}
