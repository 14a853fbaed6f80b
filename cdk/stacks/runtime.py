"""Everything of a stage that runs our code, in the order in which it may be deployed."""

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from cdk.stacks.api import ApiStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.migrations import MigrationsStack
from cdk.stacks.schedules import SchedulesStack
from cdk.stacks.surroundings import Cluster, Data, Network
from cdk.stacks.workers import WorkersStack
from cdk.stages import StageSettings


class Runtime:
    """The stacks below `place`: the schema, then what uses it, then what starts that and what stands before it."""

    def __init__(
        self, place: Construct, stage: StageSettings, *, network: Network, data: Data, cluster: Cluster
    ) -> None:
        below: dict[str, Any] = {"stage": stage, "network": network, "data": data, "cluster": cluster}
        self.migrations = MigrationsStack(
            place, "migrations", stage=stage, network=network, data=data, **_named(stage, "migrations")
        )
        self.workers = WorkersStack(place, "workers", **below, **_named(stage, "workers"))
        self.api = ApiStack(place, "api", **below, **_named(stage, "api"))
        self.schedules = SchedulesStack(
            place, "schedules", functions=self.workers.functions, **_named(stage, "schedules")
        )
        self.edge = EdgeStack(place, "edge", stage=stage, **_named(stage, "edge"))
        self.workers.add_stack_dependency(self.migrations)
        self.api.add_stack_dependency(self.migrations)


def _named(stage: StageSettings, name: str) -> Mapping[str, Any]:
    """A stack's own tags reach what the library makes without tags."""
    return {"stack_name": f"stoa-{stage.name}-{name}", "tags": dict(stage.tags)}
