"""The local tools sign in as a person does: the realm gives no token for a password alone."""

from collections.abc import Callable, Iterator

import pytest
import requests

from local import identity, sign_in
from local.emulators.keycloak.app import create_app
from local.emulators.keycloak.settings import Config
from local.parts.ports import free_port
from local.parts.process import DiedEarly
from local.sign_in import SignIn
from stoa.adapters.oidc import Issuer
from stoa.kernel.settings import DEFAULTS, Secret
from stoa.tenancy.model import caller_of
from tests.emulators.keycloak.kit import PASSWORD, environment
from tests.emulators.served import served

Url = Callable[[str], str]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Url]:
    port = free_port()
    places = {"identity": f"http://127.0.0.1:{port}", "console": "http://127.0.0.1:9001"}
    made = environment(places["identity"], "http://127.0.0.1:9")
    config = Config(tmp_path_factory.mktemp("identity"), places["identity"], identity.REALM, made, identity.USERS)
    with served(create_app(config), port):
        yield places.__getitem__


def test_an_administrator_is_who_the_product_takes_for_one(url: Url, monkeypatch: pytest.MonkeyPatch) -> None:
    realm = f"{url('identity')}/realms/stoa"
    issuer = Issuer(
        realm, f"{realm}/protocol/openid-connect/certs", DEFAULTS["oidc_audience"],
        frozenset(DEFAULTS["oidc_clients"].split()),
    )  # fmt: skip
    who = SignIn(url, PASSWORD)
    first = who.token()
    assert caller_of(issuer.claims(first), Secret(first)).roles == {"cpi-admin"}
    sent = who(requests.Request("GET", "http://127.0.0.1/").prepare())
    assert sent.headers["Authorization"] == f"Bearer {first}"
    later = sign_in.time.monotonic() + sign_in.FRESH_S
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: later)
    assert who.token() != first


def test_a_wrong_password_is_told_and_not_shown(url: Url) -> None:
    with pytest.raises(DiedEarly, match="did not let ada in") as error:
        SignIn(url, "not-the-password").token()
    assert "not-the-password" not in str(error.value)
