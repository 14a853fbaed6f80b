"""Our client of Vault against a real server: who reads what, tokens that end, a server that is sealed, a rotation."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hvac
import pytest

from local.emulators.awx.app import create_app as create_awx
from local.emulators.awx.settings import Config as AwxConfig
from local.emulators.gitlab.app import create_app as create_gitlab
from local.emulators.gitlab.settings import Config as GitLabConfig
from local.parts.openbao import OpenBao
from local.vault import grant, write_secret
from stoa.adapters import vault_token
from stoa.adapters.awx import Awx
from stoa.adapters.credential import Credential
from stoa.adapters.gitlab import GitLab
from stoa.adapters.vault import Vault, read_secret
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret
from tests.emulators.served import served

PASSWORD = "vault:secret/apim/orders#password"


class Server:
    """`credentials` are what the platform gets; `root` administers."""

    def __init__(self, bao: OpenBao) -> None:
        self.url, self._token = bao.url, bao.token
        self.credentials = {name: Secret(text) for name, text in grant(bao.url, bao.token).items()}
        self.root = hvac.Client(url=bao.url, token=bao.token)
        self.write("apim/orders", password="p")

    def write(self, path: str, **values: str) -> None:
        write_secret(self.url, self._token, path, values)

    def vault(self, name: str) -> Vault:
        return Vault(self.url, self.credentials[name])

    def short(self, **times: str) -> Vault:
        """By a role whose tokens live as long as told."""
        roles = self.root.auth.approle
        roles.create_or_update_approle("short", token_policies=["stoa-awx"], token_no_default_policy=True, **times)
        secret = roles.generate_secret_id("short")["data"]["secret_id"]
        credential = f"approle:{roles.read_role_id('short')['data']['role_id']}:{secret}"
        return Vault(self.url, Secret(credential), fresh_s=0.001)

    def tokens(self) -> int:
        return len(self.root.auth.token.list_accessors()["data"]["keys"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    bao = OpenBao(tmp_path_factory.mktemp("openbao"))
    bao.start()
    yield Server(bao)
    bao.stop()


def test_each_credential_reads_its_part_and_nothing_else(server: Server) -> None:
    server.write("systems/awx", token="a")
    assert server.vault("functions").keys("secret/apim/orders") == {"password"}
    assert server.vault("systems").read("vault:secret/systems/awx#token").value.reveal() == "a"
    assert read_secret(server.url, server.credentials["awx"], PASSWORD).value.reveal() == "p"
    for name in ("functions", "channels", "systems", "gateways"):
        with pytest.raises(Transient) as error:
            server.vault(name).read(PASSWORD)
        assert error.value.alarm
    with pytest.raises(Refused, match="SECRET_UNREADABLE"):
        server.vault("awx").read("vault:secret/apim/orders#other")
    with pytest.raises(Refused, match="SECRET_NOT_FOUND"):
        server.vault("functions").keys("secret/apim/other")


def test_a_key_that_was_added_is_needed_no_more(server: Server) -> None:
    vault = server.vault("functions")
    server.write("apim/growing", username="u")
    with pytest.raises(Refused, match="has no key password"):
        vault.need("secret/apim/growing", "password", file="api.yaml", line=1)
    server.write("apim/growing", username="u", password="p")
    vault.need("secret/apim/growing", "password", file="api.yaml", line=1)


def test_a_token_that_ends_is_renewed_and_then_got_anew(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_token, "AGAIN_S", 0.5)  # a busy machine may take a whole life between two questions
    vault, before = server.short(token_ttl="2s", token_max_ttl="4s"), server.tokens()
    deadline, seen = time.monotonic() + 6.4, 0
    while time.monotonic() < deadline:
        assert vault.read(PASSWORD).value.reveal() == "p"
        seen = max(seen, server.tokens() - before)
        time.sleep(0.1)
    assert seen in (1, 2), "one at a time, but for the last moments of an old one"


def test_a_token_that_was_revoked_is_got_anew_once_and_not_for_every_refusal(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_token, "AGAIN_S", 0.0)
    vault = server.short(token_ttl="1h", token_max_ttl="2h")
    vault.read(PASSWORD)
    server.root.auth.token.revoke(vault._own.current().reveal())
    assert vault.read(PASSWORD).value.reveal() == "p"
    monkeypatch.setattr(vault_token, "AGAIN_S", 10.0)
    before = server.tokens()
    for _ in range(3):
        with pytest.raises(Transient, match="not accepted"):
            vault.read("vault:secret/channels/a#url")
    assert server.tokens() == before


def test_a_role_that_is_gone_is_an_alarm_and_its_secret_is_nowhere(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vault = Vault(server.url, Secret("approle:the-role:the-secret"))
    with pytest.raises(Transient, match="AppRole is not accepted") as error:
        vault.read(PASSWORD)
    told = "".join(traceback.format_exception(error.value)) + caplog.text + repr(vars(vault))
    assert (error.value.alarm, "the-secret" in told) == (True, False)


class Outside:
    """`served` answers as long as it gets the token that `rotate` gave it; `call` asks it by our client."""

    def __init__(self, name: str, config: Any, call: Callable[[], Any]) -> None:
        self.name, self._config, self.call = name, config, call

    def rotate(self, server: Server, token: str, *, told: bool = True) -> None:
        object.__setattr__(self._config, "token", token)
        if told:
            server.write(f"systems/{self.name}", token=token)


@pytest.fixture(params=["awx", "gitlab"])
def outside(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Outside]:
    server.write(f"systems/{request.param}", token="first")
    vault = server.vault("systems")
    known_by = Credential(Secret(f"vault:secret/systems/{request.param}#token"), lambda: vault)
    with ExitStack() as stack:
        if request.param == "awx":
            config: Any = AwxConfig(tmp_path, tmp_path, "first", "admin", "pass")
            awx = Awx(stack.enter_context(served(create_awx(config))), known_by)
            yield Outside("awx", config, lambda: awx.jobs([1]))
        else:
            config = GitLabConfig(tmp_path, "first", "http://127.0.0.1")
            gitlab = GitLab(stack.enter_context(served(create_gitlab(config))), known_by)
            yield Outside("gitlab", config, lambda: gitlab.default_branch(1))


def test_a_rotation_costs_no_call_and_one_that_vault_does_not_know_is_an_alarm(
    server: Server, outside: Outside
) -> None:
    outside.call()
    outside.rotate(server, "second")
    outside.call()
    outside.rotate(server, "third", told=False)
    with pytest.raises(Transient, match="401") as error:
        outside.call()
    assert error.value.alarm
    assert not [secret for secret in ("second", "third") if secret in "".join(traceback.format_exception(error.value))]


def test_sealed_is_a_moment_in_which_nothing_is_sent(server: Server) -> None:
    """The last one: nobody unseals it."""
    vault = server.vault("systems")
    known_by = Credential(Secret("vault:secret/systems/awx#token"), lambda: vault)
    known = known_by.value()
    server.root.sys.seal()
    assert known_by.value().reveal() == known.reveal(), "what is fresh is enough"
    awx = Awx("http://127.0.0.1:1", Credential(Secret("vault:secret/systems/gitlab#token"), lambda: vault))
    with pytest.raises(Transient, match="sealed") as error:
        awx.jobs([1])
    assert (error.value.system, error.value.alarm, error.value.sent) == ("vault", False, False)
    with pytest.raises(Transient, match="sealed"):
        server.vault("functions").keys("secret/apim/orders")
