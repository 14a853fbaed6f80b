"""The list of APIs: in pages, found by words of what they say, the best first, without what was deleted."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoa.catalog.model import MATCHED, WORD_LENGTH, Asked, Place, asked_words, deploy_blocked
from stoa.catalog.queries import CatalogQueries
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from stoa.kernel.settings import Secret

NAMES = {
    "tenant-a": ("orders", "orders-archive", "order-status-v2", "payments"),
    "tenant-b": ("orders", "weather"),
}
PETS = "GET /pets/{petId} getPetById Reads one\nPOST /store/HTTPRules storeHTTPRules Écrit les règles"
SAID = {
    ("tenant-a", "payments"): ("Réponses about weather and orders", ["core-shop"], "Team Éclair", ""),
    ("tenant-a", "gone"): ("", [], None, PETS),
    ("tenant-b", "weather"): ("", [], None, PETS),
    ("tenant-b", "orders"): ("", [], None, "GET /" + "z" * 3000),
}
INSERT = (
    "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments, created_at,"
    " created_by, updated_at, updated_by, deleted_at, description, tags, owner, operations)"
    " VALUES (%s, %s, 1, 1, 1, 'c', '{dev}', now(), 'p', now(), 'p', CASE %s WHEN 'gone' THEN now() END,"
    " %s, %s, %s, %s)"
)


@pytest.fixture(scope="module")
def filled(module_database: Callable[[], str]) -> str:
    url = module_database()
    with psycopg.connect(url) as connection:
        for tenant, names in NAMES.items():
            for name in (*names, "gone"):
                said = ("Réponses about weather and orders", ["core-shop"], "Team Éclair") if name == "payments" else ()
                operations = {"weather": PETS, "gone": PETS}.get(
                    name, "GET /" + "z" * 3000 if tenant == "tenant-b" else ""
                )
                about = (*(said or ("", [], None)), operations)
                connection.execute(INSERT, (tenant, name, name, *about))
        for api, status, serves in (("orders", "failed", "dep-1"), ("payments", "failed", None)):
            connection.execute(
                "INSERT INTO api_status (tenant, api, environment, generation, deployment_id, status,"
                " serving_deployment_id, updated_at) VALUES ('tenant-a', %s, 'dev', 1, 'dep-2', %s, %s, now())",
                (api, status, serves),
            )
    return url


@pytest.fixture(scope="module")
def catalogue(filled: str) -> Iterator[CatalogQueries]:
    database = Database(Secret(filled), "stoa_worker")
    yield CatalogQueries(database)
    database.close()


def found(catalogue: CatalogQueries, words: str | None = None, limit: int = 100, **asked: Any) -> list[tuple[str, str]]:
    return [(row["tenant"], row["api"]) for row in catalogue.apis(Asked(words=words, **asked), None, limit)]


def paged(catalogue: CatalogQueries, asked: Asked, limit: int) -> list[tuple[int, str, str]]:
    seen: list[tuple[int, str, str]] = []
    while page := catalogue.apis(asked, Place(*seen[-1]) if seen else None, limit):
        seen += [(row.get("matched", 0), row["tenant"], row["api"]) for row in page]
    return seen


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_hold_every_api_that_was_not_deleted_once(catalogue: CatalogQueries, limit: int) -> None:
    every = [(tenant, name) for tenant, names in NAMES.items() for name in sorted(names)]
    assert paged(catalogue, Asked(), limit) == [(0, *pair) for pair in sorted(every)]
    by_words = [(1, "tenant-a", "orders"), (1, "tenant-a", "orders-archive"), (1, "tenant-b", "orders"),
                (2, "tenant-a", "payments")]  # fmt: skip
    assert paged(catalogue, Asked(words="orders"), limit) == by_words
    weather = [(1, "tenant-b", "weather"), (2, "tenant-a", "payments")]
    assert paged(catalogue, Asked(words="weather"), limit) == weather, "the name counts before what is said"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("orders", ["orders", "orders-archive", "payments"]),
        ("ord", ["order-status-v2", "orders", "orders-archive", "payments"]),
        ("Archive ORDERS", ["orders-archive"]),
        ("ord archive", []),
        ("order-status", ["order-status-v2"]),
        ("order v", ["order-status-v2"]),
        ("x' | y:* & !", []),
        ("gone", []),
        ("reponses", ["payments"]),
        ("RÉPONSES eclair", ["payments"]),
        ("shop", ["payments"]),
        ("payments core", ["payments"]),
    ],
)
def test_all_words_are_there_and_the_last_one_may_be_only_begun(
    catalogue: CatalogQueries, words: str, names: list[str]
) -> None:
    assert found(catalogue, words, tenant="tenant-a") == [("tenant-a", name) for name in names]


@pytest.mark.parametrize(
    "words",
    ["pets", "pet", "/pets/{petId}", "getPetById", "getPet", "by id", "HTTP rules", "storehttp", "ecrit régles"],
)
def test_an_operation_is_found_by_its_path_its_name_and_their_parts(catalogue: CatalogQueries, words: str) -> None:
    (row,) = catalogue.apis(Asked(words=words), None, 100)
    assert (row["api"], MATCHED[row["matched"]]) == ("weather", "operation")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60)
    | st.text("aZé-9", max_size=150)
)
def test_whatever_an_api_says_finds_it(filled: str, said: str) -> None:
    """The two makers of words, ours and the database's, agree on any text."""
    try:
        query = asked_words(said).replace(":*", "")
    except Refused:
        return
    with psycopg.connect(filled) as connection:
        row = connection.execute("SELECT search_words(%s) @@ %s::tsquery", (f"- {said}", query)).fetchone()
    assert row == (True,)


def test_a_word_counts_by_its_beginning(catalogue: CatalogQueries) -> None:
    assert found(catalogue, "z" * 200) == found(catalogue, "z" * WORD_LENGTH) == [("tenant-b", "orders")]


@pytest.mark.parametrize("words", [None, "orders"])
def test_filters_hold_with_words_and_without(catalogue: CatalogQueries, words: str | None) -> None:
    payments = [("tenant-a", "payments")]
    assert found(catalogue, words, tag="core-shop") == found(catalogue, words, owner="Team Éclair") == payments
    assert found(catalogue, words, tag="core") == found(catalogue, words, owner="Team") == []
    assert found(catalogue, words, state="serving") == [("tenant-a", "orders")]
    assert found(catalogue, words, state="failed") == [("tenant-a", "orders"), *payments]
    assert set(found(catalogue, words)) - set(found(catalogue, words, state="idle")) == {("tenant-a", "orders")}


def test_one_that_was_deleted_or_never_was_is_not_there(catalogue: CatalogQueries) -> None:
    assert catalogue.api("tenant-a", "gone") is None
    assert catalogue.api("tenant-b", "payments") is None
    row, serving = catalogue.api("tenant-a", "payments") or ({}, [])
    assert (row["api"], row["commit"], [one["status"] for one in serving]) == ("payments", "c", ["failed"])


def test_who_may_and_where_it_needs_no_approval_can_deploy() -> None:
    assert deploy_blocked(["dev", "prod"], permitted=True) is None
    assert "dev" in (deploy_blocked(["prod"], permitted=True) or "")
    assert "apis:deploy" in (deploy_blocked(["dev"], permitted=False) or "")
