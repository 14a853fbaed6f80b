"""Signing in to the realm on this machine as a person does, with its login page: no client takes passwords itself.

Source: RFC 7636 (PKCE), and the form of Keycloak's login page.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from html import unescape
from threading import Lock
from urllib.parse import parse_qs, urlsplit

import requests
from requests.auth import AuthBase

from local.parts.process import DiedEarly

ADMIN = "ada"  # of cdk/identity/demo-users.json
CLIENT = "control-plane-ui"
FORM = re.compile(r'<form[^>]*action="([^"]+)"')
# two thirds of what a token of the realm lives
FRESH_S = 200.0
TIMEOUT_S = 60


class Bearer(AuthBase):
    """A token that somebody got elsewhere."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    def token(self) -> str:
        return self._token


class SignIn(Bearer):
    """The administrator of the demo; `url` gives that of a part of the platform. Raises requests.RequestException while
    nobody answers, DiedEarly where the realm lets nobody in."""

    def __init__(self, url: Callable[[str], str], password: str) -> None:
        super().__init__("")
        self._realm = f"{url('identity')}/realms/stoa/protocol/openid-connect"
        self._back = f"{url('console')}/callback"
        self._password = password
        self._until = 0.0
        self._lock = Lock()

    def token(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                self._token, self._until = self._sign_in(), time.monotonic() + FRESH_S
            return self._token

    def _sign_in(self) -> str:
        verifier, browser = secrets.token_urlsafe(48), requests.Session()
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "client_id": CLIENT, "redirect_uri": self._back, "response_type": "code", "scope": "openid",
            "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }  # fmt: skip
        page = browser.get(f"{self._realm}/auth", params=asked, timeout=TIMEOUT_S)
        form = FORM.search(page.text)
        if form is None:
            raise DiedEarly(f"the realm shows no login page: {page.status_code}")
        given = {"username": ADMIN, "password": self._password}
        action = requests.compat.urljoin(page.url, unescape(form[1]))
        done = browser.post(action, data=given, timeout=TIMEOUT_S, allow_redirects=False)
        code = parse_qs(urlsplit(done.headers.get("location", "")).query).get("code")
        if code is None:
            raise DiedEarly(f"the realm did not let {ADMIN} in: {done.status_code}")
        redeemed = {"grant_type": "authorization_code", "client_id": CLIENT, "redirect_uri": self._back}
        redeemed |= {"code": code[0], "code_verifier": verifier}
        answer = browser.post(f"{self._realm}/token", data=redeemed, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return str(answer.json()["access_token"])
