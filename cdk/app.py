"""The platform on AWS. `python -m cdk.app` writes every stage's templates to $CDK_OUTDIR; the CDK CLI runs the same."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aws_cdk import App, Aspects, Stage, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from cdk.mappings import NoHiddenLimit
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.observability import ObservabilityStack
from cdk.stacks.runtime import Runtime
from cdk.stacks.web import WebStack
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
    """The stacks of one stage, each after those that it needs."""

    def named(name: str) -> dict[str, Any]:
        # a stack's own tags reach what the library makes without tags, such as its custom resources
        return {"stage": stage, "stack_name": f"stoa-{stage.name}-{name}", "tags": dict(stage.tags)}

    network = NetworkStack(place, "network", **named("network"))
    data = DataStack(place, "data", network=network, **named("data"))
    cluster = ClusterStack(place, "cluster", network=network, data=data, **named("cluster"))
    runtime = Runtime(place, stage, network=network, data=data, cluster=cluster)
    ObservabilityStack(
        place,
        "observability",
        functions={**runtime.workers.functions, "api": runtime.api.function},
        mappings=runtime.workers.mappings,
        http_api=runtime.api.http_api,
        database=data.database,
        archive=data.archive,
        **named("observability"),
    )
    WebStack(
        place,
        "web",
        api_domain=f"api.{stage.domain}",
        identity_domain=f"auth.{stage.domain}",
        **named("web"),
    )


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
