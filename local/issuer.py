"""An issuer of tokens whose key one holds: it signs what it is told, and counts how often its keys are fetched."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "control-plane-api"
CLIENT = "control-plane-ui"


class Issuer(ThreadingHTTPServer):
    """`url` is its `iss`; `fetches` counts reads of its keys; with `away` it answers 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/realms/stoa"
        self.fetches, self.away = 0, False
        self.key, self.kid = rsa.generate_private_key(65537, 2048), "one"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def public(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return made

    def jwks(self) -> dict[str, Any]:
        signing = {**self.public(), "kid": self.kid, "use": "sig", "alg": "RS256"}
        encrypting = {**self.public(), "kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
        return {"keys": [encrypting, signing]}

    def claims(self, *roles: str, tenant: str | None = None, **changed: Any) -> dict[str, Any]:
        """Good ones; a value of None leaves the claim out."""
        now = int(time.time())
        made = {
            "iss": self.url, "aud": [AUDIENCE, "account"], "azp": CLIENT, "typ": "Bearer", "sub": str(uuid.uuid4()),
            "iat": now, "exp": now + 300, "sid": str(uuid.uuid4()), "scope": "openid stoa:read",
            "realm_access": {"roles": list(roles)}, "tenant_id": tenant,
        }  # fmt: skip
        return {name: value for name, value in {**made, **changed}.items() if value is not None}

    def token(
        self, *roles: str, tenant: str | None = None, headers: dict[str, Any] | None = None, **changed: Any
    ) -> str:
        claims = self.claims(*roles, tenant=tenant, **changed)
        return jwt.encode(claims, self.key, "RS256", headers={"kid": self.kid, **(headers or {})})


class _Keys(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.fetches += 1
        body = json.dumps(self.server.jwks()).encode()
        self.send_response(503 if self.server.away else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def issuing() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.shutdown()
    made.server_close()
