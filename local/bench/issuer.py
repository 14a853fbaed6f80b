"""An issuer of tokens for a benchmark that runs without the platform's own."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwk, jwt

LIVES_S = 3600


class Issuer(ThreadingHTTPServer):
    """`url` is its `iss`, from the start to the end of the block."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/realms/stoa"
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})

    def __enter__(self) -> "Issuer":
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def token(self) -> str:
        """An administrator's, with the claims that Keycloak gives."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": ["control-plane-api", "account"], "azp": "control-plane-ui", "typ": "Bearer",
            "sub": "bench", "sid": "bench", "iat": now, "exp": now + LIVES_S, "realm_access": {"roles": ["cpi-admin"]},
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)


class _Keys(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        body = json.dumps({"keys": [self.server.key.as_dict(private=False)]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
