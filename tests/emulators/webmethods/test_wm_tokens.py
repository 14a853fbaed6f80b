"""Callers with a token: whose signature is believed, whom the claims name, and which scope opens the API."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.emulators.served import served

ISSUER = "https://sso.example.com/realms/stoa"
KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "two"})
CLAIMS = {"iss": ISSUER, "aud": ["control-plane-api", "account"], "scope": "openid deploy:dev", "sub": "sub-1"}


def token(key: Any = KEY, kid: str = "one", seconds: float = 60, **claims: Any) -> dict[str, str]:
    said = {**CLAIMS, "exp": int(time.time() + seconds), **claims}
    made = jwt.encode({"alg": "RS256", "kid": kid}, {k: v for k, v in said.items() if v is not None}, key)
    return {"authorization": f"Bearer {made}"}


async def keys(_: Request) -> Response:
    no_signatures = {**OTHER.as_dict(private=False), "use": "enc"}
    return JSONResponse({"keys": [KEY.as_dict(private=False), no_signatures]})


@pytest.fixture(scope="module")
def protected(kit: Any, parameter: Any) -> Iterator[dict[str, Any]]:
    """An API behind a token rule, with a Basic credential of its own for the native service."""
    with served(Starlette(routes=[Route("/certs", keys)])) as url:
        config = {"issuer": ISSUER, "jwksuri": f"{url}/certs"}
        server = kit.alias("authServerAlias", localIntrospectionConfig=config)
        credential = {"userName": "stoa", "password": "cGFzcw==", "domain": ""}
        outbound = kit.alias("httpTransportSecurityAlias", authType="HTTP_BASIC", httpAuthCredentials=credential)
        record = kit.api()
        kit.identify(record, "jwtClaims")
        leaves = [parameter("authType", "ALIAS"), parameter("authMode", "NEW"), parameter("alias", outbound["name"])]
        group = {"templateKey": "transportSecurity", "parameters": leaves}
        kit.enforce(record, "routing", "outboundTransportAuthentication", group)
        claims = {"key": "jwtClaims", "name": "aud", "value": ['{"aud":"control-plane-api"}']}
        kit.application(record["id"], identifiers=[claims])
        scope = {"authServerAlias": server["name"], "scopeName": "deploy:dev"}
        mapping = {
            "scopeName": f"{record['apiName']}:1.0.0",
            "apiScopes": [record["id"]],
            "requiredAuthScopes": [scope],
        }
        assert kit.admin.post("/scopes", json=mapping).status_code == 201
        assert kit.admin.put(f"/apis/{record['id']}/activate").status_code == 200
        yield record


def test_a_token_with_audience_and_scope_passes_and_stays_at_the_gateway(kit: Any, protected: dict[str, Any]) -> None:
    seen = kit.call(protected, headers=token()).json()

    assert seen["headers"]["authorization"] == "Basic c3RvYTpwYXNz"
    assert kit.call(protected, headers=token(aud="control-plane-api")).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Basic c3RvYTpwYXNz"},
        token(seconds=-1),
        token(exp=None),
        token(iss="https://sso.example.com/realms/other"),
        token(aud="account"),
        token(aud=None),
        token(key=OTHER),
        token(key=OTHER, kid="two"),
        {"authorization": f"{token()['authorization']}x"},
        {
            "authorization": "Bearer "
            + jwt.encode({"alg": "HS256", "kid": "one"}, CLAIMS, jwk.OctKey.import_key("k" * 32))
        },
    ],
)
def test_whom_no_valid_token_names_is_a_401(kit: Any, protected: dict[str, Any], given: dict[str, str]) -> None:
    answer = kit.call(protected, headers=given)

    assert answer.status_code == 401
    assert "Unauthorized application request" in answer.json()["Exception"]


@pytest.mark.parametrize("scope", [None, "openid", "deploy:prod", "deploy:dev2"])
def test_a_token_without_the_mapped_scope_is_a_403(kit: Any, protected: dict[str, Any], scope: str | None) -> None:
    answer = kit.call(protected, headers=token(scope=scope))

    assert answer.status_code == 403
    assert "does not have the scope" in answer.json()["Exception"]


def test_a_server_whose_keys_cannot_be_had_lets_nobody_in(kit: Any) -> None:
    kit.alias("authServerAlias", localIntrospectionConfig={"issuer": "https://gone", "jwksuri": "http://127.0.0.1:9/"})
    record = kit.api()
    kit.identify(record, "jwtClaims")
    kit.application(record["id"], identifiers=[{"key": "jwtClaims", "name": "i", "value": ['{"iss":"https://gone"}']}])
    kit.admin.put(f"/apis/{record['id']}/activate")

    assert kit.call(record, headers=token(iss="https://gone")).status_code == 401
