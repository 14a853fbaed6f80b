"""Grafana's dashboard on AWS, where CloudWatch has what the functions count: a panel for each metric of the platform.

The dashboards for Prometheus (dashboards.py) ask for what local/metrics.py exports; nobody exports that on AWS.
Sources: https://grafana.com/docs/grafana/latest/datasources/aws-cloudwatch/query-editor/ and, for the search,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
"""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from cdk.observability.grafana import page, place
from stoa.kernel.metrics import METRICS, NAMESPACE, Metric

STAGE = "STAGE"  # the chart puts the stage in its place
SOURCE = {"type": "cloudwatch", "uid": "cloudwatch"}  # cdk/platform/values/monitoring.yaml
PERIOD_S = 300


def document() -> dict[str, Any]:
    panels = [_panel(metric, number) for number, metric in enumerate(METRICS)]
    return page("stoa-functions", "STOA: what the functions count", panels, [])


def _panel(metric: Metric, number: int) -> dict[str, Any]:
    counts = metric.unit is MetricUnit.Count
    return {
        "id": number + 1,
        "title": metric.name if counts else f"{metric.name}, p95",
        "description": metric.says,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": place(number),
        "fieldConfig": {"defaults": {"unit": "short" if counts else "ms", "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "id": "",
                "datasource": SOURCE,
                "queryMode": "Metrics",
                "metricQueryType": 0,  # a search, and not an SQL query
                "metricEditorMode": 1,  # written, and not put together
                "region": "default",
                "expression": search(metric, "Sum" if counts else "p95"),
                "label": " ".join(f"${{PROP('Dim.{name}')}}" for name in ("function", *metric.dimensions)),
                "period": str(PERIOD_S),
            }
        ],
    }


def search(metric: Metric, statistic: str) -> str:
    """All series of that name with just the dimensions that functions write."""
    schema = ",".join((f"{NAMESPACE}/{STAGE}", "service", "function", *metric.dimensions))
    return f"SEARCH('{{{schema}}} MetricName=\"{metric.name}\"', '{statistic}', {PERIOD_S})"
