"""What anybody may read: the realm, its discovery document, its keys."""

import base64

from starlette.responses import Response

from local.emulators.keycloak.answers import answer
from local.emulators.keycloak.call import Call
from local.emulators.keycloak.grants import GRANTS

NO_CACHE = {"Cache-Control": "no-cache"}


def realm(call: Call) -> Response:
    server, call.readable = call.server, True
    return answer(
        {
            "realm": server.realm.name,
            "public_key": base64.b64encode(server.keys.public_key()).decode(),
            "token-service": server.protocol,
            "account-service": f"{server.url}/account",
            "tokens-not-before": 0,
        },
        headers=NO_CACHE,
    )


def certs(call: Call) -> Response:
    call.readable = True
    return answer(call.server.keys.jwks(), headers=NO_CACHE)


def document(call: Call) -> Response:
    """Only what is emulated; Keycloak's lists more."""
    base, call.readable = call.server.protocol, True
    return answer(
        {
            "issuer": call.server.url,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "introspection_endpoint": f"{base}/token/introspect",
            "userinfo_endpoint": f"{base}/userinfo",
            "end_session_endpoint": f"{base}/logout",
            "jwks_uri": f"{base}/certs",
            "revocation_endpoint": f"{base}/revoke",
            "grant_types_supported": sorted(GRANTS),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "prompt_values_supported": ["none", "login"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": ["openid", *sorted(call.server.realm.scopes)],
            "code_challenge_methods_supported": ["S256"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "authorization_response_iss_parameter_supported": True,
        },
        headers=NO_CACHE,
    )
