"""Which GitLab project may touch which tenant. Registered on the platform, never in a repository.

Those that say so hold what they found until the transaction ends: what is written by it is written before the tenant is
closed, whose closing then finds it, or not at all.
"""

from stoa.kernel.database import Connection


def tenants(connection: Connection, project_id: int) -> frozenset[str]:
    """The tenants that this GitLab project may touch; held."""
    rows = connection.execute("SELECT tenant FROM project_tenants WHERE project_id = %s FOR SHARE", (project_id,))
    return frozenset(row["tenant"] for row in rows)


def projects(connection: Connection) -> list[int]:
    """Every GitLab project that may touch a tenant."""
    rows = connection.execute("SELECT DISTINCT project_id FROM project_tenants ORDER BY project_id")
    return [row["project_id"] for row in rows]


def projects_of(connection: Connection, tenant: str) -> list[int]:
    """The GitLab projects that may touch this tenant; held."""
    text = "SELECT project_id FROM project_tenants WHERE tenant = %s ORDER BY 1 FOR SHARE"
    rows = connection.execute(text, (tenant,))
    return [row["project_id"] for row in rows]


def is_registered(connection: Connection, tenant: str) -> bool:
    """Whether any GitLab project may touch this tenant."""
    found = connection.execute("SELECT 1 FROM project_tenants WHERE tenant = %s LIMIT 1", (tenant,))
    return found.fetchone() is not None


def is_closed(connection: Connection, tenant: str) -> bool:
    """Whether there was such a tenant, and nobody may have its name again."""
    text = "SELECT 1 FROM tenants WHERE tenant = %s AND closed_at IS NOT NULL"
    return connection.execute(text, (tenant,)).fetchone() is not None
