"""What differs between the stages of the platform. Pure data, read by the stacks and by tests."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

StageName = Literal["dev", "staging", "prod"]


@dataclass(frozen=True)
class StageSettings:
    """One stage. `nat_gateways` is 1 (losing its zone cuts egress) or 2 (one in each zone); logs are kept in days.

    `database_class` is an instance class of RDS without its `db.`, `database_gib` what its disk begins with.
    `archive_lock`: compliance lets nobody remove an archived event before its time, governance those who may bypass it.
    `edge_carries` is the one of the edge's secrets that CloudFront carries, by its name: docs/secrets.md.
    The cluster has exactly `nodes` machines. Argo CD follows `platform_revision`, a branch or a tag, of `repository`.
    """

    name: StageName
    nat_gateways: Literal[1, 2]
    log_retention_days: Literal[30, 90, 365]
    database_class: str
    database_gib: int
    archive_lock: Literal["governance", "compliance"]
    edge_carries: str = "1"
    owner: str = "platform-team"
    cost_center: str = "api-platform"
    data_class: str = "internal"
    node_type: str = "t3.large"
    nodes: int = 3
    repository: str = "https://gitlab.example.com/stoa/platform.git"
    platform_revision: str = "main"

    @property
    def domain(self) -> str:
        """The public zone of the stage; its id is in the SSM parameter `/stoa/<stage>/hosted-zone-id`."""
        return f"{self.name}.stoa.example.com"

    @property
    def tags(self) -> MappingProxyType[str, str]:
        """What every resource of the stage carries."""
        return MappingProxyType(
            {
                "project": "stoa",
                "environment": self.name,
                "owner": self.owner,
                "cost-center": self.cost_center,
                "data-class": self.data_class,
            }
        )


STAGES = (
    StageSettings(
        "dev",
        nat_gateways=1,
        log_retention_days=30,
        database_class="t4g.medium",
        database_gib=20,
        archive_lock="governance",
    ),
    StageSettings(
        "staging",
        nat_gateways=1,
        log_retention_days=90,
        database_class="t4g.large",
        database_gib=50,
        archive_lock="governance",
        platform_revision="staging",
    ),
    StageSettings(
        "prod",
        nat_gateways=2,
        log_retention_days=365,
        database_class="m7g.large",
        database_gib=100,
        archive_lock="compliance",
        data_class="confidential",
        platform_revision="prod",
    ),
)
