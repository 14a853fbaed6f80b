"""The versions of an API over HTTP, and what breaks its callers between two of them."""

import hashlib
import json
from typing import Any

import pytest

from stoa.deployments.queries import DeploymentQueries
from stoa.kernel import ids
from stoa.kernel.database import Database, bind
from stoa.kernel.errors import NotFound
from stoa.kernel.settings import Secret
from tests.functions.test_pages import all_of
from tests.openapi.shop import BREAKING, SAFE, edited, shop

PATH = "/v1/apis/tenant-a/shop"
DOCUMENTS = [shop(), shop(), edited(SAFE["operation-added"]), edited(BREAKING["operation-removed"])]
DIGESTS = [hashlib.sha256(json.dumps(one).encode()).hexdigest() for one in DOCUMENTS]


@pytest.fixture(scope="module")
def deployed(start_api: Any) -> Any:
    """Generations 1 to 4 in dev, of which the second has the document of the first; another API with one of its own."""
    api = start_api()
    for tenant, name, numbers in (("tenant-a", "shop", (0, 1, 2, 3)), ("tenant-a", "other", (0,)), ("b", "shop", (2,))):
        for n in numbers:
            document = DOCUMENTS[n] if name == "shop" else {**DOCUMENTS[0], "info": {}}
            put(api, tenant, name, "dev", n + 1, json.dumps(document).encode())
    put(api, "tenant-a", "shop", "staging", 1, None)
    api.rows(
        "INSERT INTO apis (tenant, api, generation, created_generation, project_id, commit_sha, environments,"
        " created_at, created_by, updated_at, updated_by)"
        " VALUES ('tenant-a', 'shop', 1, 1, 1, 'c', '{dev}', now(), 'p', now(), 'p')"
    )
    return api


def put(api: Any, tenant: str, name: str, environment: str, generation: int, document: bytes | None) -> None:
    digest = hashlib.sha256(document).hexdigest() if document else None
    if document:
        api.rows("INSERT INTO artefacts VALUES (%s, %s, 'openapi', %s, '{}', now()) ON CONFLICT DO NOTHING",
                 tenant, digest, document)  # fmt: skip
    api.rows(
        "INSERT INTO deployments (id, tenant, api, environment, action, generation, state, project_id, commit_sha,"
        " trigger, requested_by, trace_id, requested_at, api_version, artefact_sha256)"
        " VALUES (%s, %s, %s, %s, 'deploy', %s, 'succeeded', 1, 'c', 'gitlab-push', 'gitlab:1', 'trc-1', now(), '1.0',"
        " %s)",
        ids.deployment_id(), tenant, name, environment, generation, digest,
    )  # fmt: skip


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_versions_are_what_had_a_document_the_newest_first(deployed: Any, limit: int) -> None:
    found = all_of(deployed, f"{PATH}/versions", limit)
    said = [(one["generation"], one["environment"], one["spec_sha256"], one["changed"]) for one in found]
    assert said == [(n, "dev", DIGESTS[n - 1], n != 2) for n in (4, 3, 2, 1)]
    assert all_of(deployed, f"{PATH}/versions?environment=staging", limit) == []


def test_an_api_that_nobody_knows_has_none(deployed: Any) -> None:
    answer = deployed.get("/v1/apis/tenant-a/nothing/versions")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("old", "new", "verdict", "rules"),
    [
        ("1", "2", "none", []),
        ("1", "3", "safe", ["operation-added"]),
        (DIGESTS[2], "4", "breaking", ["operation-removed", "operation-removed"]),
        (DIGESTS[3], DIGESTS[0], "safe", ["operation-added"]),
    ],
)
def test_two_versions_are_compared_for_their_callers(
    deployed: Any, old: str, new: str, verdict: str, rules: list[str]
) -> None:
    said = deployed.get(f"{PATH}/compare?from={old}&to={new}").json()
    assert (said["verdict"], said["complete"], [one["rule"] for one in said["changes"]]) == (verdict, True, rules)
    assert all({"generation", "commit", "spec_sha256"} <= said[side].keys() for side in ("from", "to"))


@pytest.mark.parametrize("asked", ["from=1", "from=1&to=0", "from=1&to=a", "from=1&to=2&environment=x", "old=1&new=2"])
def test_what_names_no_version_is_refused(deployed: Any, asked: str) -> None:
    answer = deployed.get(f"{PATH}/compare?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")


def test_a_version_of_another_api_or_of_none_is_not_there(deployed: Any) -> None:
    (other,) = all_of(deployed, "/v1/apis/tenant-a/other/versions", 50)
    for wanted in ("9", "0" * 64, other["spec_sha256"], "999999999999999999"):
        assert deployed.get(f"{PATH}/compare?from=1&to={wanted}").status_code == 404
    assert deployed.get(f"/v1/apis/b/shop/compare?from={DIGESTS[0]}&to=3").status_code == 404
    assert deployed.get(f"{PATH}/compare?from=1&to=1&environment=staging").status_code == 404


def test_a_caller_of_another_tenant_reads_none_whatever_the_application_asks_for(deployed: Any) -> None:
    database = Database(Secret(deployed.database_url), "stoa_worker")
    queries = DeploymentQueries(database)
    bind("b")
    try:
        assert queries.versions("tenant-a", "shop", environment=None, before=None, limit=9) == []
        with pytest.raises(NotFound):
            queries.version("tenant-a", "shop", DIGESTS[0])
        assert queries.version("b", "shop", DIGESTS[2])["generation"] == 3
    finally:
        bind(None)
        database.close()
