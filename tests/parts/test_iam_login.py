"""The database's clients log in to an RDS proxy with tokens of IAM, by TLS, and bring no settings along."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import certifi
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from stoa.adapters.rds import IamLogin
from stoa.kernel.database import SESSION, Database
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from tests.certificates import Authority
from tests.parts.rds_proxy import RdsProxy

USER = "stoa_worker"


@pytest.fixture(autouse=True)
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-test-only")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session/of+a=role")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The only one that is believed: certifi stands for the roots of AWS Certificate Manager."""
    made = Authority("roots of AWS")
    (tmp_path / "roots.pem").write_text(made.certificate)
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "roots.pem"))
    return made


@pytest.fixture
def proxy(database_url: str, authority: Authority, tmp_path: Path) -> Iterator[RdsProxy]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE stoa_worker LOGIN")
    issued = authority.issue("localhost")
    (tmp_path / "own.pem").write_text(issued.certificate)
    (tmp_path / "own.key").write_text(issued.key)
    socket = Path(str(conninfo_to_dict(database_url)["host"])) / ".s.PGSQL.5432"
    with closing(RdsProxy(socket, tmp_path / "own.pem", tmp_path / "own.key")) as made:
        yield made


def url(proxy: RdsProxy, database_url: str, host: str = "localhost") -> str:
    return f"postgresql://{USER}@{host}:{proxy.port}/{conninfo_to_dict(database_url)['dbname']}"


def database(proxy: RdsProxy, database_url: str, **host: str) -> Database:
    return Database(Secret(IamLogin(url(proxy, database_url, **host)).conninfo), role="")


def test_a_token_is_what_the_sdk_would_make_and_belongs_to_one_host_and_user() -> None:
    def both() -> tuple[Any, str]:
        made = conninfo_to_dict(IamLogin("postgresql://stoa_worker@db.example:5433/stoa").conninfo())
        return made, boto3.session.Session().client("rds").generate_db_auth_token("db.example", 5433, "stoa_worker")

    for _ in range(3):  # the time of both, in seconds, is in their signatures
        found, expected = both()
        if found["password"] == expected:
            break
        time.sleep(0.1)
    assert found["password"] == expected
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", certifi.where())


def test_each_connection_shows_a_token_of_its_own_and_no_options(proxy: RdsProxy, database_url: str) -> None:
    with closing(database(proxy, database_url)) as made:
        for _ in range(2):
            with made.transaction() as connection:
                assert connection.execute("SELECT current_user AS me").fetchone() == {"me": USER}
            made.close()
    assert len(proxy.tokens) == 2
    assert all(token.startswith(f"localhost:{proxy.port}/?Action=connect") for token in proxy.tokens)


def test_the_logins_own_settings_are_those_of_a_session_that_brings_them(proxy: RdsProxy, database_url: str) -> None:
    name = conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for setting, value in SESSION.items():
            connection.execute(f"ALTER ROLE stoa_worker IN DATABASE {name} SET {setting} = '{value}'")
    ask = "SELECT name, setting FROM pg_settings WHERE lower(name) = ANY(%s) ORDER BY name"
    names = [list(SESSION)]
    with closing(database(proxy, database_url)) as proxied, closing(Database(Secret(database_url), USER)) as direct:
        rows, wanted = ({row["name"]: row["setting"] for row in one.statement(ask, names)} for one in (proxied, direct))
    assert rows == wanted
    assert {name: value for name, value in wanted.items() if name != "TimeZone"}.items() <= SESSION.items()


def test_options_are_what_the_proxy_refuses(proxy: RdsProxy, database_url: str) -> None:
    with_role = Database(Secret(IamLogin(url(proxy, database_url)).conninfo), role=USER)
    with pytest.raises(Transient) as caught, with_role.transaction():
        pass
    assert "command-line options" in str(caught.value.__cause__)


def test_a_host_of_another_name_is_told_no_token(proxy: RdsProxy, database_url: str) -> None:
    with pytest.raises(Transient) as caught, database(proxy, database_url, host="127.0.0.1").transaction():
        pass
    assert "does not match host name" in str(caught.value.__cause__)
    assert proxy.tokens == []


def test_a_host_of_another_ca_is_told_no_token(
    proxy: RdsProxy, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.pem").write_text(Authority("somebody else").certificate)
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "other.pem"))
    with pytest.raises(Transient) as caught, database(proxy, database_url).transaction():
        pass
    assert "certificate verify failed" in str(caught.value.__cause__)
    assert proxy.tokens == []


def test_without_credentials_there_is_an_alarm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(Transient, match="NoCredentials") as caught:
        IamLogin("postgresql://stoa_worker@db.example/stoa").conninfo()
    assert caught.value.alarm
