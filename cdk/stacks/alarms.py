"""An alarm says what is wrong and where it is written what to do about it."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

RUNBOOKS = "docs/runbooks.md"
# as the alert ApiFails of cdk/observability/alerts.yaml
FAILED_SHARE, FAILED_AT_LEAST = 0.02, 5
SLOW_MS = 1000

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
QUIET = cloudwatch.TreatMissingData.NOT_BREACHING
ABSENT_IS_BAD = cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True)
class Rule:
    """Fires when `metric` was above (or below) `limit` in each of `periods` of its periods. `runbook` is an anchor."""

    name: str
    says: str
    runbook: str
    metric: cloudwatch.IMetric
    limit: float
    periods: int = 1
    comparison: cloudwatch.ComparisonOperator = ABOVE
    missing: cloudwatch.TreatMissingData = QUIET


def alarm(scope: Construct, rule: Rule, topic: sns.ITopic | None = None) -> cloudwatch.Alarm:
    """Tells `topic`, where there is one, when it begins and when it is over."""
    made = cloudwatch.Alarm(
        scope,
        rule.name,
        alarm_description=f"{rule.says} {RUNBOOKS}#{rule.runbook}",
        metric=rule.metric,
        threshold=rule.limit,
        evaluation_periods=rule.periods,
        comparison_operator=rule.comparison,
        treat_missing_data=rule.missing,
    )
    if topic is not None:
        made.add_alarm_action(actions.SnsAction(topic))
        made.add_ok_action(actions.SnsAction(topic))
    return made


def api_rules(http_api: apigateway.IHttpApi) -> tuple[Rule, ...]:
    """What is wrong with the API as its callers see it."""
    window = Duration.minutes(5)
    count, failed = http_api.metric_count(period=window), http_api.metric_server_error(period=window, statistic="Sum")
    share = cloudwatch.MathExpression(
        expression=f"IF(failed > {FAILED_AT_LEAST}, failed / count, 0)",
        using_metrics={"failed": failed, "count": count},
        period=window,
        label="share of answers that are 5xx",
    )
    latency = http_api.metric_latency(period=window, statistic="p99")
    return (
        Rule("ApiFails", "More than 2 % of the answers were 5xx.", "the-api-fails", share, FAILED_SHARE),
        Rule("ApiSlow", "p99 of the API was above a second.", "the-api-is-slow", latency, SLOW_MS, periods=3),
    )
