"""What is asked with a token: userinfo, introspection, revocation."""

from starlette.responses import Response

from local.emulators.document_store import Json
from local.emulators.keycloak.answers import Refused, answer, challenge
from local.emulators.keycloak.call import BAD_CLIENT, Call, living

NOT_KEPT = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}


def userinfo(call: Call) -> Response:
    token = call.bearer() or call.sent("access_token")
    if not token:
        raise challenge()
    claims = _access(call, token)
    if claims is None or call.server.sessions.revoked(claims["jti"]):
        raise challenge("invalid_token", "Token verification failed")
    call.let_read(call.server.realm.clients[claims["azp"]])
    if "openid" not in claims["scope"].split():
        raise challenge("insufficient_scope", "Missing openid scope", 403)
    grant = living(call, claims)
    if grant is None:
        raise challenge("invalid_token", "user_session_not_found")
    return answer({"sub": grant.user["id"], **call.server.tokens.claims(grant, "userinfo")}, headers=NOT_KEPT)


def introspect(call: Call) -> Response:
    """A client learns about access tokens that were made for it, and of all others that they are not active."""
    try:
        client = call.authenticated()
    except Refused as error:
        known = call.server.realm.clients.get(call.sent("client_id"))
        said = "Client authentication failed." if known or "authorization" in call.headers else BAD_CLIENT
        raise _plain("invalid_client", said, 401) from error
    if client.public:
        raise _plain("invalid_request", "Client not allowed.", 403)
    if not call.sent("token"):
        raise _plain("invalid_request", "Token not provided.")
    claims = _access(call, call.sent("token"))
    grant = living(call, claims) if claims is not None and client.name in _audience(claims) else None
    if grant is None or claims is None:
        return answer({"active": False}, headers={"Cache-Control": "no-cache"})
    kept = {name: claims[name] for name in ("exp", "iat", "jti", "iss", "typ", "azp", "sid", "scope") if name in claims}
    now = call.server.tokens.claims(grant, "introspection")
    who = {"client_id": claims["azp"], "username": grant.user["username"], "token_type": "Bearer", "active": True}
    return answer({**kept, **now, **who}, headers={"Cache-Control": "no-cache"})


def revoke(call: Call) -> Response:
    """An access token alone, or with its refresh token all that the client has in the session."""
    client = call.authenticated()
    if not call.sent("token"):
        raise _plain("invalid_request", "Token not provided")
    server, token = call.server, call.sent("token")
    claims = server.keys.verified(token, "Refresh", server.url) or _access(call, token)
    if claims is None:
        return answer({"error": "invalid_token", "error_description": "Invalid token"})
    if claims["azp"] != client.name:
        raise _plain("invalid_request", "Unmatching clients")
    if claims["typ"] != "Refresh":
        server.sessions.revoke(claims["jti"], claims["exp"])
        return Response(status_code=200)
    session = server.sessions.get(claims["sid"], call.now)
    if session is not None:
        server.sessions.leave(session, client)
        if not session["clients"]:
            server.sessions.end(session)
    return Response(status_code=200)


def _access(call: Call, token: str) -> Json | None:
    """The claims of an access token of ours that has not expired."""
    claims = call.server.keys.verified(token, "Bearer", call.server.url)
    return claims if claims is not None and call.now < claims["exp"] else None


def _audience(claims: Json) -> list[str]:
    audience = claims.get("aud", [])
    return audience if isinstance(audience, list) else [audience]


def _plain(error: str, description: str, status: int = 400) -> Refused:
    return Refused(answer({"error": error, "error_description": description}, status))
