"""The list of APIs: in pages by name, found by words of the name, without what was deleted."""

from typing import Any

import psycopg
import pytest

from stoa.catalog.model import deploy_blocked
from stoa.catalog.queries import CatalogQueries
from stoa.kernel.database import Database

NAMES = {
    "tenant-a": ("orders", "orders-archive", "order-status-v2", "payments"),
    "tenant-b": ("orders", "weather"),
}


@pytest.fixture
def catalogue(database: Database, database_url: str) -> CatalogQueries:
    with psycopg.connect(database_url) as connection:
        for tenant, names in NAMES.items():
            for name in (*names, "gone"):
                connection.execute(
                    "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha,"
                    " environments, created_at, created_by, updated_at, updated_by, deleted_at)"
                    " VALUES (%s, %s, 1, 1, 1, 'c', '{dev}', now(), 'p', now(), 'p',"
                    " CASE %s WHEN 'gone' THEN now() END)",
                    (tenant, name, name),
                )
    return CatalogQueries(database)


def found(catalogue: CatalogQueries, words: str | None, **asked: Any) -> list[tuple[str, str]]:
    rows = catalogue.apis(**{"tenant": None, "after": None, "limit": 100, **asked}, words=words)
    return [(row["tenant"], row["api"]) for row in rows]


def test_pages_hold_every_api_that_was_not_deleted_once(catalogue: CatalogQueries) -> None:
    every = [(tenant, name) for tenant, names in NAMES.items() for name in sorted(names)]
    assert found(catalogue, None) == sorted(every)
    seen: list[tuple[str, str]] = []
    while page := found(catalogue, None, after=seen[-1] if seen else None, limit=2):
        seen += page
    assert seen == sorted(every)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("orders", ["orders", "orders-archive"]),
        ("ord", ["order-status-v2", "orders", "orders-archive"]),
        ("Archive ORDERS", ["orders-archive"]),
        ("ord archive", []),
        ("order-status", ["order-status-v2"]),
        ("order v", ["order-status-v2"]),
        ("x' | y:* & !", []),
        ("gone", []),
    ],
)
def test_all_words_are_there_and_the_last_one_may_be_only_begun(
    catalogue: CatalogQueries, words: str, names: list[str]
) -> None:
    assert found(catalogue, words, tenant="tenant-a") == [("tenant-a", name) for name in names]


def test_one_that_was_deleted_or_never_was_is_not_there(catalogue: CatalogQueries) -> None:
    assert catalogue.api("tenant-a", "gone") is None
    assert catalogue.api("tenant-b", "payments") is None
    row, serving = catalogue.api("tenant-a", "payments") or ({}, None)
    assert (row["api"], row["commit"], serving) == ("payments", "c", [])


def test_who_may_and_where_it_needs_no_approval_can_deploy() -> None:
    assert deploy_blocked(["dev", "prod"], permitted=True) is None
    assert "dev" in (deploy_blocked(["prod"], permitted=True) or "")
    assert "apis:deploy" in (deploy_blocked(["dev"], permitted=False) or "")
