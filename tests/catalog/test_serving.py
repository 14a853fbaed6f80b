"""What an environment serves, from results that arrive in any order."""

from itertools import permutations
from typing import Any

import pytest

from stoa.catalog.flows import Catalog
from stoa.catalog.queries import CatalogQueries
from stoa.kernel.database import Database
from stoa.kernel.envelope import Message, Position


def said(generation: int, status: str, action: str = "deploy") -> Message:
    value = {
        "tenant": "tenant-acme",
        "api_id": "orders",
        "environment": "dev",
        "deployment_id": f"dep-{generation}",
        "generation": generation,
        "status": status,
        "action": action,
        "commit": f"c{generation}",
        "api_version": "1.0.0",
        "finished_at": f"2026-01-01T00:00:0{generation}.000Z",
    }
    at = Position("deploy-results", 0, generation)
    return Message(at, "tenant-acme/orders", f"e{generation}", "t", "s", "tenant-acme", "a", "", generation, value)


FIRST = said(1, "success")
SLOW = said(2, "success")
REFUSED_AT_ONCE = said(3, "failed")
REMOVED = said(4, "success", "undeploy")


@pytest.mark.parametrize("order", list(permutations([FIRST, SLOW, REFUSED_AT_ONCE])))
def test_a_refusal_that_overtakes_a_success_does_not_hide_it(database: Database, order: Any) -> None:
    for message in order:
        Catalog(database).record_result(message)
    (row,) = CatalogQueries(database).serving(tenant=None, after=None, limit=10)
    assert (row["generation"], row["status"]) == (3, "failed")
    assert (row["serving_deployment_id"], row["serving_commit"]) == ("dep-2", "c2")


@pytest.mark.parametrize("order", list(permutations([SLOW, REFUSED_AT_ONCE, REMOVED])))
def test_what_was_removed_serves_nothing_whatever_arrives_late(database: Database, order: Any) -> None:
    for message in (*order, *order):
        Catalog(database).record_result(message)
    (row,) = CatalogQueries(database).serving(tenant=None, after=None, limit=10)
    assert (row["generation"], row["serving_deployment_id"]) == (4, None)
