"""Behind CloudFront, the API answers to what came through it, and knows who called it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from functions.api.arrival import secrets
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from tests.functions.containers import Container, container

SECRET, NEXT = "of-the-edge", "of-the-edge-from-now-on"


@pytest.fixture(scope="module")
def database_behind(module_database: Callable[[], str]) -> str:
    return module_database()


@pytest.fixture(scope="module")
def behind(database_behind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    environment = {
        "STOA_DATABASE_URL": database_behind,
        "STOA_DEV_TOKEN": "dev",
        "STOA_EDGE_SECRET": json.dumps({"1": SECRET}),
    }
    made = container(environment, tmp_path_factory.mktemp("behind") / "api.log")
    yield made
    made.worker.stop()


@pytest.mark.parametrize(
    "given", [{}, {"x-stoa-edge": ""}, {"x-stoa-edge": "guess"}, {"x-stoa-edge": NEXT}, {"x-stoa-edge": "\xfc"}]
)
@pytest.mark.parametrize("path", ["/health/live", "/v1/deployments", "/nothing"])
def test_what_comes_past_the_edge_is_refused(behind: Container, given: dict[str, str], path: str) -> None:
    answer = behind.ask("GET", path, "dev", headers=given)
    assert (answer.status, answer.problem()["code"]) == (403, "NOT_BY_THIS_WAY")
    assert answer.headers["cache-control"] == "no-store"


def test_what_comes_through_it_is_served_to_who_called_it(behind: Container, database_behind: str) -> None:
    through = {"x-stoa-edge": SECRET, "x-stoa-viewer": "2001:db8::7"}
    assert behind.ask("GET", "/health/live", headers=through).status == 200
    refused = behind.ask("GET", "/v1/deployments", "a-bad-token", address="192.0.2.9", headers=through)
    assert refused.status == 401
    with psycopg.connect(database_behind) as connection:
        said = connection.execute("SELECT convert_from(value, 'UTF8') FROM outbox WHERE topic = 'audit-log'").fetchall()
    assert any("2001:db8::7" in value for (value,) in said)
    assert not any("192.0.2.9" in value or SECRET in value for (value,) in said)


@contextmanager
def running(kept: str, database_url: str, folder: Path) -> Iterator[Container]:
    made = container({"STOA_DATABASE_URL": database_url, "STOA_EDGE_SECRET": kept}, folder / "api.log")
    try:
        yield made
    finally:
        made.worker.stop()


def test_while_the_secret_changes_both_are_taken(database_behind: str, tmp_path: Path) -> None:
    both = json.dumps({"1": SECRET, "2": NEXT, "3": ""})
    with running(both, database_behind, tmp_path) as changing:
        for carried, status in ((SECRET, 200), (NEXT, 200), (both, 403), ("", 403), (SECRET + NEXT, 403)):
            assert changing.ask("GET", "/health/live", headers={"x-stoa-edge": carried}).status == status, carried


def test_a_secret_that_is_no_json_lets_nobody_through(database_behind: str, tmp_path: Path) -> None:
    with running(SECRET, database_behind, tmp_path) as broken:
        answer = broken.ask("GET", "/health/live", headers={"x-stoa-edge": SECRET})
        assert (answer.status, answer.problem()["code"]) == (503, "UNAVAILABLE")


@pytest.mark.parametrize("kept", [SECRET, "{}", '{"1": " "}', '{"1": 7}', f'["{SECRET}"]', "null"])
def test_what_holds_no_secret_is_none(kept: str) -> None:
    with pytest.raises(Transient):
        secrets(Secret(kept))
