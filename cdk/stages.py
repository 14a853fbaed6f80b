"""What differs between the stages of the platform. Pure data, read by the stacks and by tests."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

StageName = Literal["dev", "staging", "prod"]


@dataclass(frozen=True)
class StageSettings:
    """One stage. `nat_gateways` is 1 (losing its zone cuts egress) or 2 (one in each zone); logs are kept in days.

    The cluster has exactly `nodes` machines. Argo CD follows `platform_revision`, a branch or a tag, of `repository`.
    """

    name: StageName
    nat_gateways: Literal[1, 2]
    log_retention_days: Literal[30, 90, 365]
    owner: str = "platform-team"
    cost_center: str = "api-platform"
    data_class: str = "internal"
    node_type: str = "t3.large"
    nodes: int = 3
    domain: str = "stoa.example.com"
    repository: str = "https://gitlab.example.com/stoa/platform.git"
    platform_revision: str = "main"

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
    StageSettings("dev", nat_gateways=1, log_retention_days=30),
    StageSettings("staging", nat_gateways=1, log_retention_days=90, platform_revision="staging"),
    StageSettings("prod", nat_gateways=2, log_retention_days=365, data_class="confidential", platform_revision="prod"),
)
