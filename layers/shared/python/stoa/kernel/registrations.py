"""Which GitLab project may touch which tenant. Registered on the platform, never in a repository."""

from stoa.kernel.database import Connection


def tenants(connection: Connection, project_id: int) -> frozenset[str]:
    """The tenants that this GitLab project may touch."""
    rows = connection.execute("SELECT tenant FROM project_tenants WHERE project_id = %s", (project_id,))
    return frozenset(row["tenant"] for row in rows)


def projects(connection: Connection) -> list[int]:
    """Every GitLab project that may touch a tenant."""
    rows = connection.execute("SELECT DISTINCT project_id FROM project_tenants ORDER BY project_id")
    return [row["project_id"] for row in rows]


def projects_of(connection: Connection, tenant: str) -> list[int]:
    """The GitLab projects that may touch this tenant."""
    rows = connection.execute("SELECT project_id FROM project_tenants WHERE tenant = %s ORDER BY 1", (tenant,))
    return [row["project_id"] for row in rows]


def is_registered(connection: Connection, tenant: str) -> bool:
    """Whether any GitLab project may touch this tenant."""
    found = connection.execute("SELECT 1 FROM project_tenants WHERE tenant = %s LIMIT 1", (tenant,))
    return found.fetchone() is not None
