"""What a deployment looks like to a reader. One method per read route."""

from dataclasses import dataclass

from stoa.deployments import store
from stoa.deployments.model import Deployment
from stoa.kernel.database import Database, Row
from stoa.kernel.errors import NotFound


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
        with self.database.transaction(admin_read=True) as connection:
            found = store.get(connection, deployment_id)
            if found is None:
                raise NotFound(f"there is no deployment {deployment_id}")
            sha256 = found.artefact_sha256
            report = store.loss_report(connection, found.lane.tenant, sha256) if sha256 else None
            return found, store.steps(connection, deployment_id), report

    def standing(self, project_id: int) -> list[tuple[str, str, str]]:
        """a push with nothing to compare -> tenant, api and environment of what this project deployed last."""
        with self.database.transaction(admin_read=True) as connection:
            return store.standing(connection, project_id)

    def artefact(self, tenant: str, sha256: str) -> bytes:
        """GET /artefacts/... -> the document of that hash. Raises NotFound."""
        with self.database.transaction(tenant) as connection:
            document = store.artefact(connection, sha256)
        if document is None:
            raise NotFound("there is no such artefact")
        return document
