"""Containers of the api function as local/runtime has them, without a front, and callers with tokens of a realm."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from local.runtime import http_event
from local.runtime.worker import FunctionSpec, Worker

CLIENT = "control-plane-ui"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        said: dict[str, Any] = json.loads(self.body)
        assert said["status"] == self.status
        return said


class Container:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def ask(
        self,
        method: str,
        path: str,
        token: str = "",
        *,
        address: str = "192.0.2.1",
        body: bytes = b"",
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"host": "api", **({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        request = http_event.Request(method, path, query, tuple(sent.items()), body, address, datetime.now(UTC))
        answer = http_event.response(self.worker.invoke(http_event.event(request)))
        return Answer(answer.status, dict(answer.headers), answer.body.decode())


@dataclass(frozen=True)
class Realm:
    """`url` is its issuer, with its keys at `keys_url`."""

    url: str
    keys_url: str
    key: ec.EllipticCurvePrivateKey

    def token(self, sub: str, tenant: str | None, role: str = "devops") -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "control-plane-api", "azp": CLIENT, "typ": "Bearer", "sub": sub}
        claims |= {"tenant_id": tenant} if tenant else {}
        times = {"iat": now, "exp": now + 36_000}
        return jwt.encode(
            {**claims, **times, "realm_access": {"roles": [role]}}, self.key, algorithm="ES256", headers={"kid": "k"}
        )


@contextmanager
def realm() -> Iterator[Realm]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = json.dumps({"keys": [{**public, "kid": "k", "use": "sig", "alg": "ES256"}]}).encode()

    class Serve(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield Realm(url, f"{url}/keys", key)
    server.shutdown()
    thread.join()
    server.server_close()


def container(environment: Mapping[str, str], log: Path) -> Container:
    worker = Worker(FunctionSpec("api", "functions.api.handler:handler", 29, 1024, environment, log))
    worker.start()
    return Container(worker)
