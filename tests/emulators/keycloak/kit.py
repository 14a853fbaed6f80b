"""Browsers, clients and administrators of an issuer, the real Keycloak or its emulator: every call goes over HTTP."""

import base64
import contextlib
import hashlib
import http.server
import itertools
import re
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from local import identity

NUMBERS = itertools.count(int(time.time()) % 1_000_000)
PASSWORD = "demo-password-of-tests"
CLIENTS = {"control-plane-ui": "console", "stoa-portal": "portal"}
Json = dict[str, Any]


# a client that reads the authorities' certificates anew takes 0.1 s, and nothing here is TLS
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Plain(httpx.HTTPTransport):
    """A browser sends Secure cookies to 127.0.0.1 over HTTP as well; Python does not."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        answer.headers = httpx.Headers(
            [(n, re.sub(r";\s*secure\b", "", v, flags=re.I) if n.lower() == "set-cookie" else v)
             for n, v in answer.headers.multi_items()]
        )  # fmt: skip
        return answer


def environment(url: str, public: str) -> dict[str, str]:
    """What the placeholders of the realm file stand for in tests."""
    places = {"api": public, "identity": url, "console": "http://127.0.0.1:9001", "portal": "http://127.0.0.1:9002"}
    made = identity.environment(places.__getitem__, lambda name: f"secret-of-{name.replace('_', '-')}")
    return {**made, "DEMO_PASSWORD": PASSWORD}


class Issuer:
    """`pause_s` is how long it takes to tell two moments apart: Keycloak counts in seconds."""

    def __init__(self, url: str, environment: Mapping[str, str], pause_s: float = 0.0) -> None:
        self.server = url
        self.pause_s = pause_s
        self.url = f"{url}/realms/stoa"
        self.environment = environment
        self.http = httpx.Client(timeout=60, verify=NO_TLS)

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.http.post(f"{self.url}/protocol/openid-connect/{path}", data=form)

    def secret(self, client: str) -> str:
        return self.environment[f"{client.upper().replace('-', '_')}_CLIENT_SECRET"]

    def machine(self, client: str, **form: str) -> httpx.Response:
        named = {"client_id": client, "client_secret": self.secret(client)}
        return self.post("token", grant_type="client_credentials", **{**named, **form})

    def claims(self, token: str) -> Json:
        """Those of a token that is signed with a key of the set that is for signing."""
        listed = self.http.get(f"{self.url}/protocol/openid-connect/certs").json()["keys"]
        keys = KeySet.import_key_set({"keys": [key for key in listed if key["use"] == "sig"]})
        found: Json = jwt.decode(token, keys, algorithms=["RS256"]).claims
        return found

    def userinfo(self, access: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {access}"}
        return self.http.get(f"{self.url}/protocol/openid-connect/userinfo", headers=headers)

    def introspect(self, token: str, client: str = "control-plane-api") -> Json:
        named = {"client_id": client, "client_secret": self.secret(client)}
        found: Json = self.post("token/introspect", token=token, **named).json()
        return found

    def refresh(self, tokens: Json, client: str = "control-plane-ui", **form: str) -> httpx.Response:
        named = {"grant_type": "refresh_token", "client_id": client, "refresh_token": tokens["refresh_token"]}
        return self.post("token", **{**named, **form})

    def admin(self, method: str, path: str, client: str = "stoa-identity", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.machine(client).json()['access_token']}"}
        url = f"{self.server}/admin/realms/stoa{path}"
        return self.http.request(method, url, headers=headers, **more)

    def user(self, name: str) -> Json:
        found = self.admin("GET", "/users", params={"username": name, "exact": "true"}).json()
        assert len(found) == 1, found
        user: Json = found[0]
        return user

    def new_user(self, role: str | None = None) -> Json:
        """Of tenant-demo, with `password` as it is sent."""
        name = f"user{next(NUMBERS):06}{secrets.token_hex(2)}"
        body = {"username": name, "email": f"{name}@stoa.example", "firstName": "New", "lastName": "Person",
                "enabled": True, "attributes": {"tenant": ["tenant-demo"]},
                "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}]}  # fmt: skip
        made = self.admin("POST", "/users", json=body)
        assert made.status_code == 201, made.text
        user = {**body, "id": made.headers["location"].rpartition("/")[2]}
        if role is not None:
            path = f"/users/{user['id']}/role-mappings/realm"
            known = {one["name"]: one for one in self.admin("GET", f"{path}/available").json()}
            assert self.admin("POST", path, json=[known[role]]).status_code == 204
        return user


class Browser:
    """One person's; it keeps cookies."""

    def __init__(self, issuer: Issuer, client: str = "control-plane-ui") -> None:
        self.issuer = issuer
        self.http = httpx.Client(transport=_Plain(verify=NO_TLS), timeout=60)
        self.client = client
        self.verifier = ""

    @property
    def callback(self) -> str:
        return f"{self.issuer.environment[f'STOA_{CLIENTS[self.client].upper()}_URL']}/callback"

    def ask(self, **changed: str | None) -> httpx.Response:
        """The authorization request; None leaves a parameter out."""
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        parameters = {
            "client_id": self.client, "redirect_uri": self.callback, "response_type": "code", "scope": "openid",
            "state": "some-state", "nonce": "some-nonce", "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), **changed,
        }  # fmt: skip
        given = {name: value for name, value in parameters.items() if value is not None}
        return self.http.get(f"{self.issuer.url}/protocol/openid-connect/auth", params=given)

    def fill(self, page: httpx.Response, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.http.post(form_of(page), data={"username": name, "password": password})

    def code(self, name: str, **changed: str | None) -> str:
        return said(self.fill(self.ask(**changed), name))["code"]

    def redeem(self, code: str, **changed: str | None) -> httpx.Response:
        form = {"client_id": self.client, "code": code, "redirect_uri": self.callback, "code_verifier": self.verifier}
        given = {name: value for name, value in {**form, **changed}.items() if value is not None}
        return self.issuer.post("token", grant_type="authorization_code", **given)

    def login(self, name: str, **changed: str | None) -> Json:
        answer = self.redeem(self.code(name, **changed))
        assert answer.status_code == 200, answer.text
        tokens: Json = answer.json()
        return tokens

    def logout(self, **parameters: str) -> httpx.Response:
        return self.http.get(f"{self.issuer.url}/protocol/openid-connect/logout", params=parameters)


def form_of(page: httpx.Response) -> str:
    """Where the page's form goes."""
    assert page.status_code == 200, page.headers.get("location", page.text)
    found = re.search(r'<form[^>]*action="([^"]+)"', page.text)
    assert found, page.text
    return str(httpx.URL(str(page.url)).join(unescape(found[1])))


def said(answer: httpx.Response) -> dict[str, str]:
    """The parameters that the browser is sent back with."""
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["error"], body.get("error_description", "")


class Receiver:
    """Takes the logout tokens that an issuer posts."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                receiver.told.append((self.path, form["logout_token"][0]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def of(self, session: str, count: int) -> list[str]:
        """The tokens that came about a session, once that many have."""
        deadline = time.monotonic() + 60
        while True:
            here = [token for path, token in self.told if sid_of(token) == session]
            if len(here) >= count or time.monotonic() > deadline:
                assert {path for path, _ in self.told} <= {"/v1/sessions/backchannel-logout"}
                return here
            time.sleep(0.02)


def sid_of(token: str) -> str:
    return str(payload(token)["sid"])


def payload(token: str) -> Json:
    """Without a look at the signature."""
    found: Json = httpx.Response(200, content=base64.urlsafe_b64decode(token.split(".")[1] + "==")).json()
    return found


@contextlib.contextmanager
def receivers() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
