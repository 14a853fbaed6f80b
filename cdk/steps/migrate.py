"""a deployment -> the database has the schema that its code needs. Run by CloudFormation (cdk/stacks/migrations.py)."""

from typing import Any

from stoa.adapters.rds import IamLogin
from stoa.kernel.log import log
from stoa.kernel.schema import let_worker_in, migrate
from stoa.kernel.settings import settings


def handler(event: dict[str, Any], context: Any) -> None:
    """What it raises stops the deployment, before any function of it runs."""
    login = IamLogin(settings().database_url.reveal())
    new = migrate(login.conninfo())
    let_worker_in(login.conninfo())
    log.info("schema.migrated", new=new)
