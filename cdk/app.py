"""The platform on AWS. `python -m cdk.app` writes every stage's templates to $CDK_OUTDIR; the CDK CLI runs the same."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aws_cdk import App, Aspects, Stage, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from cdk.mappings import NoHiddenLimit
from cdk.stacks.api import ApiStack
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.migrations import MigrationsStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.observability import ObservabilityStack
from cdk.stacks.schedules import SchedulesStack
from cdk.stacks.web import WebStack
from cdk.stacks.workers import WorkersStack
from cdk.stages import STAGES, StageSettings
from cdk.tags import AFTER_TAGGING, UNTAGGED, MandatoryTags

CDK_JSON = Path(__file__).resolve().parents[1] / "cdk.json"


def main() -> None:
    """Raises when a rule of cdk-nag or a mandatory tag is violated; the report lies beside the templates."""
    build(STAGES).synth()


def build(stages: Iterable[StageSettings], outdir: str | None = None) -> App:
    """All stages in one app, each by itself."""
    app = guarded(outdir)
    for stage in stages:
        add_stacks(place_of(app, stage), stage)
    return app


def place_of(app: App, stage: StageSettings) -> Stage:
    """An empty stage that tags what is put into it. Aspects of an app do not look into its stages."""
    place = Stage(app, stage.name)
    for key, value in stage.tags.items():
        Tags.of(place).add(key, value, exclude_resource_types=list(UNTAGGED))
    Aspects.of(place).add(MandatoryTags(), priority=AFTER_TAGGING)
    return place


def add_stacks(place: Stage, stage: StageSettings) -> None:
    """The stacks of one stage, each after those that it needs: the schema is there before the code that uses it."""

    def named(name: str) -> dict[str, Any]:
        # a stack's own tags reach what the library makes without tags, such as its custom resources
        return {"stack_name": f"stoa-{stage.name}-{name}", "tags": dict(stage.tags)}

    network = NetworkStack(place, "network", stage=stage, **named("network"))
    data = DataStack(place, "data", stage=stage, network=network, **named("data"))
    cluster = ClusterStack(place, "cluster", stage=stage, network=network, data=data, **named("cluster"))
    migrations = MigrationsStack(place, "migrations", stage=stage, network=network, data=data, **named("migrations"))
    around: dict[str, Any] = {"stage": stage, "network": network, "data": data, "cluster": cluster}
    workers = WorkersStack(place, "workers", **around, **named("workers"))
    api = ApiStack(place, "api", **around, **named("api"))
    for later in (workers, api):
        later.add_stack_dependency(migrations)
    SchedulesStack(place, "schedules", functions=workers.functions, **named("schedules"))
    EdgeStack(place, "edge", stage=stage, **named("edge"))
    ObservabilityStack(
        place,
        "observability",
        stage=stage,
        functions={**workers.functions, "api": api.function},
        mappings=workers.mappings,
        http_api=api.http_api,
        database=data.database,
        archive=data.archive,
        **named("observability"),
    )
    domains: dict[str, Any] = {"api_domain": f"api.{stage.domain}", "identity_domain": f"auth.{stage.domain}"}
    WebStack(place, "web", stage=stage, **domains, **named("web"))


def guarded(outdir: str | None = None) -> App:
    """An empty app with our feature flags that refuses untagged resources, event sources that would lose records,
    and findings nobody explained.

    The flags are read here because without the CLI nobody reads cdk.json.
    """
    app = App(context=json.loads(CDK_JSON.read_text())["context"], outdir=outdir)
    Aspects.of(app).add(MandatoryTags(), priority=AFTER_TAGGING)
    Aspects.of(app).add(NoHiddenLimit())
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    return app


if __name__ == "__main__":
    main()
