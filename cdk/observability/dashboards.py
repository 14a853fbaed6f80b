"""The Grafana dashboards as pure data. `make contracts` writes them to the JSON files beside this module.

Metric names are those of local/metrics.py; a test fails for one that nobody exports.
"""

from typing import Any

from cdk.observability.grafana import Dashboard, Panel, Query, document


def _q(expr: str, legend: str = "") -> tuple[Query, ...]:
    return (Query(expr, legend),)


def _quantiles(histogram: str, *quantiles: float, where: str = "") -> tuple[Query, ...]:
    rate = f"sum by (le) (rate({histogram}_bucket{where}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({q}, {rate})", f"p{round(q * 100)}") for q in quantiles)


def _per_topic(counter: str) -> tuple[Query, ...]:
    return _q(f"sum by (function, topic) (rate({counter}[$__rate_interval]))", "{{function}} {{topic}}")


FAILED = 'stoa_deployments_finished_total{status="failed"}'
IDLE_TICKS = 'stoa_ticks_total{outcome!="done"}'
ENDED = '{status=~"success|failed"}'

DASHBOARDS = (
    Dashboard(
        "stoa-pipeline",
        "STOA: Pipeline Overview",
        (
            Panel(
                "Success rate, 1 h",
                _q(
                    'sum(increase(stoa_deployment_duration_seconds_count{status="success"}[1h]))'
                    f" / sum(increase(stoa_deployment_duration_seconds_count{ENDED}[1h]))"
                ),
                "percentunit",
                "stat",
            ),
            Panel(
                "Mean duration, 1 h",
                _q(
                    "sum(increase(stoa_deployment_duration_seconds_sum[1h]))"
                    " / sum(increase(stoa_deployment_duration_seconds_count[1h]))"
                ),
                "s",
                "stat",
            ),
            Panel(
                "Deployments that ended, per hour",
                _q("sum by (status) (increase(stoa_deployment_duration_seconds_count[1h]))", "{{status}}"),
            ),
            Panel("Unfinished deployments", _q("stoa_deployments_unfinished", "{{state}}")),
            Panel(
                "Webhooks accepted",
                _q("sum by (sender) (rate(stoa_webhooks_accepted_total[5m]))", "{{sender}}"),
                "reqps",
            ),
            Panel(
                "Lanes that a deployment holds",
                (Query("stoa_busy_lanes", "busy"), Query("stoa_busy_lane_oldest_seconds", "seconds of the oldest")),
            ),
            Panel(
                "Failed in the last hour, by tenant and error",
                _q("topk(20, stoa_deployments_failed_last_hour)", "{{tenant}} {{code}}"),
                kind="table",
            ),
            Panel(
                "Writes by people, and audit events",
                (
                    Query("sum(increase(stoa_writes_total[1h]))", "writes in an hour"),
                    Query(
                        'sum(increase(stoa_audit_records_total{function="events_to_archive",kind="action"}[1h]))',
                        "audit events in an hour",
                    ),
                ),
            ),
            Panel(
                "Audit: heartbeats and checkpoints in 5 minutes, seconds unsigned",
                (
                    Query(
                        'sum by (function) (increase(stoa_audit_records_total{kind="heartbeat"}[5m]))',
                        "heartbeats at {{function}}",
                    ),
                    Query("sum(increase(stoa_audit_checkpoints_total[5m]))", "checkpoints"),
                    Query("stoa_audit_unsigned_oldest_seconds", "seconds without a checkpoint"),
                ),
                says="Alarms without a heartbeat for 5 minutes, and at 180 s without a checkpoint.",
            ),
        ),
    ),
    Dashboard(
        "stoa-event-flow",
        "STOA: Event Flow",
        (
            Panel(
                "Age of the oldest unprocessed event",
                _q("stoa_consumer_oldest_seconds", "{{function}} {{topic}}"),
                "s",
                says="Alarms at 60 s, at 120 s for what stands around the pipeline.",
            ),
            Panel("Records that are not done", _q("stoa_consumer_lag", "{{function}} {{topic}}")),
            Panel("Processed per second", _per_topic("stoa_records_processed_total")),
            Panel("Handed back to come again, per second", _per_topic("stoa_records_waiting_total")),
            Panel(
                "Outbox: oldest event, and how many wait",
                (
                    Query("stoa_outbox_oldest_seconds", "seconds"),
                    *_quantiles("stoa_outbox_age_seconds", 0.99),
                    Query("stoa_outbox_waiting", "events"),
                ),
                says="The relay runs every 60 s; alarms at 150 s. p99 is what the relay itself found.",
            ),
            Panel(
                "Outbox: published, and keys left to the relay, per second",
                (
                    Query("sum(rate(stoa_outbox_published_total[$__rate_interval]))", "published"),
                    Query("sum(rate(stoa_outbox_left_to_relay_total[$__rate_interval]))", "left to the relay"),
                ),
            ),
            Panel("Parked keys", _q("stoa_parked_keys > 0", "{{function}} {{topic}}")),
            Panel(
                "Age of the oldest parked record", _q("stoa_parked_oldest_seconds > 0", "{{function}} {{topic}}"), "s"
            ),
            Panel(
                "Event sources: records per second",
                _q("sum by (what) (rate(stoa_event_source_records_total[$__rate_interval]))", "{{what}}"),
            ),
            Panel("Event sources: invocations per second", _per_topic("stoa_event_source_invocations_total")),
            Panel(
                "Records per topic and second",
                _q("sum by (topic) (rate(stoa_topic_records_total[$__rate_interval]))", "{{topic}}"),
            ),
            Panel("Parts that answer", _q("stoa_up", "{{part}}"), kind="stat"),
        ),
    ),
    Dashboard(
        "stoa-errors",
        "STOA: Errors",
        (
            Panel(
                "Top errors of deployments, 1 h",
                _q(f"topk(10, sum by (code) (increase({FAILED}[1h])))", "{{code}}"),
                kind="table",
                says="The first of its kind since the exporter started is not in it; the pipeline's table has all.",
            ),
            Panel(
                "Dead letters per hour",
                _q('sum by (topic) (increase(stoa_topic_records_total{topic=~".+[.]dlq"}[1h]))', "{{topic}}"),
            ),
            Panel("Refused records per second", _per_topic("stoa_records_refused_total")),
            Panel("Given up after too many tries, per second", _per_topic("stoa_records_given_up_total")),
            Panel("Parked for their key, per second", _per_topic("stoa_records_parked_total")),
            Panel(
                "HTTP answers per second, by class",
                _q("sum by (status) (rate(stoa_requests_total[$__rate_interval]))", "{{status}}"),
                "reqps",
            ),
            Panel(
                "HTTP requests that came too often, per second, by whose limit",
                _q("sum by (limit) (rate(stoa_requests_limited_total[$__rate_interval]))", "{{limit}}"),
                "reqps",
            ),
            Panel(
                "Ticks that did not do their work, per hour",
                _q(f"sum by (function, outcome) (increase({IDLE_TICKS}[1h]))", "{{function}} {{outcome}}"),
            ),
            Panel(
                "Errors of the event sources, per hour",
                _q("sum by (function, what) (increase(stoa_event_source_errors_total[1h]))", "{{function}} {{what}}"),
            ),
            Panel("Events that Kafka will never take", _q("stoa_outbox_set_aside"), kind="stat"),
        ),
    ),
    Dashboard(
        "stoa-latency",
        "STOA: Latency",
        (
            Panel(
                "Request to end",
                _quantiles("stoa_deployment_duration_seconds", 0.5, 0.95, 0.99, where=ENDED),
                "s",
                says="Alarms at 60 s for p95.",
            ),
            Panel(
                "Request, or turn in the lane, to AWX job",
                _quantiles("stoa_launch_latency_seconds", 0.5, 0.95, 0.99),
                "s",
                says="Our own leg; alarms at 5 s for p95.",
            ),
            Panel("HTTP requests", _quantiles("stoa_request_duration_seconds", 0.5, 0.95, 0.99), "s"),
            Panel("Since when the oldest lane is with AWX", _q("stoa_busy_lane_oldest_seconds"), "s"),
            Panel("How long each part takes to answer a scrape", _q("stoa_scrape_seconds", "{{part}}"), "s"),
        ),
    ),
)


def documents() -> dict[str, dict[str, Any]]:
    """Each dashboard in Grafana's JSON model, by the name of its file."""
    return {one.uid.removeprefix("stoa-"): document(one) for one in DASHBOARDS}
