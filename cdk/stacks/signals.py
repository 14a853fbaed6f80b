"""The numbers that CloudWatch has of the platform: of AWS's own namespaces, and what the functions count themselves."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from cdk.stages import StageSettings

# kernel/metrics.py; a test compares what is read here with what functions write
NAMESPACE = "stoa"
SERVICE = "stoa"
FIVE_MINUTES = Duration.minutes(5)


def counted(
    stage: StageSettings,
    name: str,
    function: str,
    *,
    statistic: str = "Sum",
    period: Duration = FIVE_MINUTES,
    **dimensions: str,
) -> cloudwatch.Metric:
    """What a function writes to its log in the embedded format; `function` is its name in cdk/wiring.py."""
    return cloudwatch.Metric(
        namespace=f"{NAMESPACE}/{stage.name}",
        metric_name=name,
        dimensions_map={"service": SERVICE, "function": function, **dimensions},
        statistic=statistic,
        period=period,
        label=" ".join((function, *dimensions.values())),
    )


def mapping(
    name: str,
    source: lambda_.IEventSourceMapping,
    label: str,
    *,
    statistic: str = "Sum",
    period: Duration = FIVE_MINUTES,
) -> cloudwatch.Metric:
    """Of one event source mapping. Source: AWS Lambda Developer Guide, "Event source mapping metrics"."""
    return cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name=name,
        dimensions_map={"EventSourceMappingUUID": source.event_source_mapping_id},
        statistic=statistic,
        period=period,
        label=label,
    )
