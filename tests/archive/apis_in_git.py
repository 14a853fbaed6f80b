"""What a push says of APIs, written by the store that the flow uses."""

from collections.abc import Collection

from stoa.gitops import store
from stoa.gitops.model_apis import Apis, Commit, Described, Touched
from stoa.kernel import ids, outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Database

SAID = {
    "display_name": "Ünï", "description": "a\\b \x1f\x1e\x1d\n{c}", "tags": ["x", "y"], "owner": None, "version": "1.0",
    "operations": "GET /a/{b} getA\nPUT /a",
}  # fmt: skip


def tell(database: Database, tenant: str, touched: Collection[str], present: Collection[str]) -> None:
    """Each touched API is created or updated; what is not present is deleted."""
    commit = Commit(1, "c" * 40, "gitlab:7", ids.trace_id(), now())
    found = Apis(
        tuple(Touched(tenant, api, ("api.yaml",), 1, ("dev", 'a "b", {c}'), True) for api in touched),
        frozenset((tenant, api) for api in present),
        {(tenant, api): Described(SAID) for api in touched if api.endswith("s")},
    )
    with database.transaction() as connection:
        outbox.add(connection, store.put_apis(connection, found, [tenant], commit))
