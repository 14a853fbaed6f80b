"""What is counted and timed: a few names with a few bounded dimensions, in CloudWatch's embedded metric format.

Kept in memory during an invocation and written to standard output at its end, from where CloudWatch takes it, and
local/metrics.py on a developer's machine. A tenant is no dimension: each value would be a metric of its own.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from stoa.kernel.log import log
from stoa.kernel.settings import settings

NAMESPACE = "stoa"  # and the stage: CloudWatch keeps namespaces apart, so that no alarm reads another stage's numbers
SERVICE = "stoa"
MOST = 99  # the format takes 100 values of a metric; Powertools prints by itself at the hundredth
KEPT = 10_000  # where nobody flushes, timings must not fill the memory


@dataclass(frozen=True)
class Metric:
    """`dimensions` come beside `service` and `function`; their values are from small closed sets."""

    name: str
    unit: MetricUnit
    says: str
    dimensions: tuple[str, ...] = ()

    def add(self, value: float = 1.0, **where: str) -> None:
        """A number to count up by, or milliseconds. It takes part in no transaction."""
        at = tuple((name, where.get(name) or "none") for name in self.dimensions)
        with _lock:
            values = _pending.setdefault(at, {}).setdefault(self, [])
            if self.unit is MetricUnit.Count and values:
                values[0] += value
            elif len(values) < KEPT:
                values.append(value)


_lock = threading.Lock()
_pending: dict[tuple[tuple[str, str], ...], dict[Metric, list[float]]] = {}

_COUNT, _MS = MetricUnit.Count, MetricUnit.Milliseconds

PROCESSED = Metric("records_processed", _COUNT, "records that a flow was done with", ("topic",))
WAITING = Metric("records_waiting", _COUNT, "records handed back, to come again", ("topic",))
REFUSED = Metric("records_refused", _COUNT, "records that are wrong, in the dead-letter topic", ("topic",))
GIVEN_UP = Metric("records_given_up", _COUNT, "records that were tried for too long, in the same place", ("topic",))
PARKED = Metric("records_parked", _COUNT, "records set aside in PostgreSQL for their key", ("topic",))
FINISHED = Metric("deployments_finished", _COUNT, "deployments that ended, by how", ("status", "code"))
DURATION = Metric("deployment_duration", _MS, "from the request of a deployment to its end", ("status",))
LAUNCH_LATENCY = Metric("launch_latency", _MS, "from a request, or its turn in the lane, to its AWX job")
WEBHOOKS = Metric("webhooks_accepted", _COUNT, "webhooks that were taken, a redelivery too", ("sender",))
PUBLISHED = Metric("outbox_published", _COUNT, "events sent from the outbox to Kafka")
LEFT_TO_RELAY = Metric("outbox_left_to_relay", _COUNT, "keys whose events a request had to leave in the outbox")
OUTBOX_AGE = Metric("outbox_age", _MS, "age of the oldest event in the outbox as the relay found it, 0 without any")
REQUESTS = Metric("requests", _COUNT, "HTTP requests answered, by class of status", ("status",))
REQUEST_DURATION = Metric("request_duration", _MS, "from the handler's start to its answer", ("status",))
WRITES = Metric("writes", _COUNT, "requests under /v1 that changed something")
LIMITED = Metric("requests_limited", _COUNT, "requests that came too often, by whose limit", ("limit",))
TICKS = Metric("ticks", _COUNT, "ticks of a schedule, by outcome: done, waits, failed", ("outcome",))
AUDITED = Metric("audit_records", _COUNT, "records of audit-log that arrived, heartbeat or action", ("kind",))
CHECKPOINTS = Metric("audit_checkpoints", _COUNT, "signed checkpoints of the audit chains")

METRICS = (
    PROCESSED, WAITING, REFUSED, GIVEN_UP, PARKED, FINISHED, DURATION, LAUNCH_LATENCY, WEBHOOKS, PUBLISHED,
    LEFT_TO_RELAY, OUTBOX_AGE, REQUESTS, REQUEST_DURATION, WRITES, LIMITED, TICKS, AUDITED, CHECKPOINTS,
)  # fmt: skip


def flush() -> None:
    """Writes what was added since the last time. Never raises: nothing fails for its metric."""
    try:
        for line in _lines(_taken()):
            sys.stdout.write(f"{line}\n")  # in one piece: other processes write to the same log
        sys.stdout.flush()
    except Exception:  # noqa: BLE001  see above
        log.exception("metrics.lost")


def _taken() -> dict[tuple[tuple[str, str], ...], dict[Metric, list[float]]]:
    with _lock:
        taken = dict(_pending)
        _pending.clear()
    return taken


def _lines(taken: dict[tuple[tuple[str, str], ...], dict[Metric, list[float]]]) -> Iterator[str]:
    """One per set of dimensions, or more where a metric has more values than fit into one."""
    emf = EphemeralMetrics(namespace=f"{NAMESPACE}/{settings().stage}", service=SERVICE)
    for where, values in taken.items():
        left = values
        while left:
            emf.clear_metrics()
            for name, value in (("function", settings().function), *where):
                emf.add_dimension(name=name, value=value)
            for metric, some in left.items():
                for one in some[:MOST]:
                    emf.add_metric(metric.name, metric.unit, one)
            yield json.dumps(emf.serialize_metric_set(), separators=(",", ":"))
            left = {metric: some[MOST:] for metric, some in left.items() if len(some) > MOST}
