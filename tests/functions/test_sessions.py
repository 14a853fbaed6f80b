"""A session that has ended: its tokens are taken no more, though they have not expired."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.issuer import CLIENT, Issuer, issuing

EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


class Desk:
    def __init__(self, api: Any, issuer: Issuer) -> None:
        self.api, self.issuer = api, issuer

    def ask(self, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return self.api.session.get(f"{self.api.url}/v1/deployments", headers=headers, timeout=10)

    def logout(self, form: dict[str, str] | None = None, **changed: Any) -> Any:
        claims = {
            "aud": CLIENT, "typ": "Logout", "events": EVENT, "jti": str(uuid.uuid4()), "azp": None, "scope": None,
            "realm_access": None, "sid": None, "sub": None, **changed,
        }  # fmt: skip
        sent = {"logout_token": self.issuer.token(**claims), **(form or {})}
        return self.api.session.post(f"{self.api.url}/v1/sessions/backchannel-logout", data=sent, timeout=10)


@pytest.fixture(scope="module")
def desk(start_api: Callable[..., Any]) -> Iterator[Desk]:
    with issuing() as issuer:
        yield Desk(start_api(STOA_OIDC_ISSUER_URL=issuer.url), issuer)


def test_a_session_that_ended_is_refused_and_another_of_the_same_user_goes_on(desk: Desk) -> None:
    user = str(uuid.uuid4())
    one, two = (desk.issuer.token("cpi-admin", sub=user, sid=sid) for sid in ("s-1", "s-2"))
    assert [desk.ask(token).status_code for token in (one, two)] == [200, 200]
    answer = desk.logout(sid="s-1", sub=user)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    refused = desk.ask(one)
    assert (refused.status_code, refused.json()["code"]) == (401, "SESSION_ENDED")
    assert desk.ask(two).status_code == 200


def test_all_sessions_of_a_user_end_and_a_new_one_is_taken(desk: Desk) -> None:
    user = str(uuid.uuid4())
    old = desk.issuer.token("cpi-admin", sub=user, iat=int(time.time()) - 60)
    assert desk.ask(old).status_code == 200
    assert desk.logout(sub=user).status_code == 200
    assert desk.ask(old).status_code == 401
    assert desk.ask(desk.issuer.token("cpi-admin", sub=user, iat=int(time.time()) + 5)).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"typ": "Bearer", "sid": "x"},
        {"events": None, "sid": "x"},
        {"events": {"other": {}}, "sid": "x"},
        {"nonce": "n", "sid": "x"},
        {},
        {"aud": "somebody", "sid": "x"},
        {"iss": "http://elsewhere/realms/stoa", "sid": "x"},
        {"exp": 1, "sid": "x"},
        {"jti": None, "sid": "x"},
    ],
)
def test_what_is_no_logout_token_ends_nothing(desk: Desk, changed: dict[str, Any]) -> None:
    answer = desk.logout(**changed)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_LOGOUT_TOKEN")


@pytest.mark.parametrize("form", [{}, {"logout_token": ["a", "b"]}, {"logout_token": "\x00"}])
def test_a_form_without_one_token_is_refused(desk: Desk, form: dict[str, Any]) -> None:
    answer = desk.api.session.post(f"{desk.api.url}/v1/sessions/backchannel-logout", data=form, timeout=10)
    assert answer.status_code in {400, 422}


def test_a_form_of_many_fields_is_not_read_however_good_its_token_is(desk: Desk) -> None:
    """Anybody may send one: a million of them would take seconds."""
    more = {f"field-{n}": "x" for n in range(10)}
    answer = desk.logout(sid="s-9", form=more)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_LOGOUT_TOKEN")
    assert desk.logout(sid="s-9", form=dict(list(more.items())[:9])).status_code == 200
