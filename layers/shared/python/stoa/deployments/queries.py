"""What a deployment looks like to a reader. One method per read route."""

from dataclasses import dataclass

from stoa.deployments import store
from stoa.deployments.model import Deployment
from stoa.kernel import changes
from stoa.kernel.database import Database, Row
from stoa.kernel.errors import NotFound, Refused

KIND = "deployment"


@dataclass(frozen=True)
class Changed:
    """`items`: the number of the change, the deployment as it is now, its steps. `busy`: something is under way."""

    cursor: int
    items: list[tuple[int, Deployment, list[Row]]]
    busy: bool


@dataclass(frozen=True)
class DeploymentQueries:
    """Reads across tenants go through the role that may read and nothing else."""

    database: Database

    def page(self, *, before: str | None, limit: int, filters: dict[str, str]) -> list[Deployment]:
        """GET /v1/deployments -> every tenant's, newest first."""
        with self.database.transaction(admin_read=True) as connection:
            return store.page(connection, before=before, limit=limit, filters=filters)

    def read(self, deployment_id: str) -> tuple[Deployment, list[Row], Row | None]:
        """GET /v1/deployments/{id} -> the deployment, its steps, its loss report. Raises NotFound."""
        found = store.whole(self.database, deployment_id)
        if found is None:
            raise NotFound(f"there is no deployment {deployment_id}")
        return found

    def changed(self, tenant: str, *, after: int | None, limit: int) -> Changed:
        """GET /v1/changes -> what changed since `after`. Raises Refused for a number that was never given out."""
        with self.database.transaction(admin_read=True) as connection:
            newest = changes.last(connection, tenant)
            if after is None:
                return Changed(newest, [], store.unfinished(connection, tenant))
            if after > newest:  # of another database: going on from there would miss everything
                hint = "begin without a cursor"
                raise Refused("BAD_CURSOR", "the cursor is none that this API gave out", field="cursor", hint=hint)
            listed = changes.since(connection, tenant, after, limit, [KIND])
            rows = store.some(connection, [change.entity_id for change in listed])
            # one that is there no more is nothing to show; the cursor passes it
            items = [(change.version, *rows[change.entity_id]) for change in listed if change.entity_id in rows]
            cursor = listed[-1].version if listed else after
            return Changed(cursor, items, store.unfinished(connection, tenant))

    def of_trace(self, trace_id: str, tenant: str | None) -> list[tuple[Deployment, list[Row]]]:
        """GET /v1/traces/{id} -> every deployment of the trace with its steps, the first asked for first; of all
        tenants, or of one."""
        with self.database.transaction(admin_read=True) as connection:
            ids = store.of_trace(connection, trace_id, tenant)
            found = store.some(connection, ids)
            return [found[one] for one in ids]

    def standing(self, project_id: int) -> list[tuple[str, str, str]]:
        """a push with nothing to compare -> tenant, api and environment of what this project deployed last."""
        with self.database.transaction(admin_read=True) as connection:
            return store.standing(connection, project_id)

    def versions(self, tenant: str, api: str, *, environment: str | None, before: str | None, limit: int) -> list[Row]:
        """GET /v1/apis/{tenant}/{api}/versions -> what was deployed of it, or was to be, the newest first."""
        with self.database.transaction(admin_read=True) as connection:
            return store.versions(
                connection, tenant=tenant, api=api, environment=environment, before=before, limit=limit
            )

    def version(self, tenant: str, api: str, wanted: tuple[str, int] | str) -> Row:
        """GET /v1/apis/{tenant}/{api}/compare -> the version of an environment and a generation, or of a SHA-256, with
        its document. Raises NotFound."""
        with self.database.transaction(admin_read=True) as connection:
            found = store.version(connection, tenant, api, wanted)
        if found is None:
            said = wanted if isinstance(wanted, str) else f"generation {wanted[1]} in {wanted[0]}"
            raise NotFound(f"there is no version {said} of this API")
        return found

    def artefact(self, tenant: str, sha256: str) -> bytes:
        """GET /artefacts/... -> the document of that hash. Raises NotFound."""
        with self.database.transaction(tenant) as connection:
            document = store.artefact(connection, sha256)
        if document is None:
            raise NotFound("there is no such artefact")
        return document
