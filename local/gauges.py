"""What the sources themselves say when they are asked: Kafka, PostgreSQL, the event sources."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from kafka.errors import KafkaError
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cdk.wiring import Function, topics_with_dlq
from local.consumer_lag import Lag, lags, record_counts
from local.probes import Probe
from local.runtime import counters
from stoa.kernel.database import Connection, Database, Row
from stoa.kernel.errors import Transient

FRESH_S = 2.0  # who asks again within it gets the same answer: a scrape costs Kafka some thirty requests
PATIENCE_S = 5.0  # Prometheus itself waits for ten
FAILURES = (KafkaError, Transient, OSError, ValueError)
TOP_CODES = 5  # of a tenant; its other failures are counted together
ASKED_WITHIN = timedelta(hours=48)  # of a deployment that failed in the last hour
REPORT = re.compile(r"(?P<function>[a-z_]+)\.(?P<topic>[a-z-]+)(#\d+)?\.counters\.json")
RECORDS = ("polled", "filtered", "invoked", "failed", "dropped", "delivered", "committed")
ERRORS = ("polling", "commit", "delivery")

Labels = tuple[str, ...]
FAMILIES: dict[str, tuple[str, Labels]] = {
    "stoa_up": ("whether the part answered this scrape", ("part",)),
    "stoa_scrape_seconds": ("how long the part took to answer", ("part",)),
    "stoa_consumer_lag": ("records that the consumer has not done", ("function", "topic")),
    "stoa_consumer_oldest_seconds": ("age of the oldest of them, 0 without any", ("function", "topic")),
    "stoa_topic_records_total": ("records that the topic ever got", ("topic",)),
    "stoa_outbox_waiting": ("events that are not sent to Kafka yet", ()),
    "stoa_outbox_oldest_seconds": ("age of the oldest of them, 0 without any", ()),
    "stoa_audit_unsigned_oldest_seconds": ("age of the oldest audit event without a checkpoint, 0 without any", ()),
    "stoa_outbox_set_aside": ("events that Kafka will never take; a person must look", ()),
    "stoa_parked_keys": ("keys whose records wait in PostgreSQL", ("function", "topic")),
    "stoa_parked_oldest_seconds": ("age of the oldest of those records, 0 without any", ("function", "topic")),
    "stoa_deployments_unfinished": ("deployments without an end, by state", ("state",)),
    "stoa_busy_lanes": ("lanes that a deployment holds", ()),
    "stoa_busy_lane_oldest_seconds": ("since when the oldest of them is with AWX, 0 without any", ()),
    "stoa_deployments_failed_last_hour": ("by tenant and error, the rarer ones as other", ("tenant", "code")),
    "stoa_event_source_records_total": ("records, since the runner started", ("function", "topic", "what")),
    "stoa_event_source_invocations_total": ("invocations of the function", ("function", "topic")),
    "stoa_event_source_errors_total": ("errors of the event source itself", ("function", "topic", "what")),
}
STATES = ("requested", "launching", "running")

# name, values of its labels, value
Sample = tuple[str, Labels, float]


class Gauges(Collector):
    """A part that does not answer has `stoa_up` 0, and nothing else of it is there."""

    def __init__(self, bootstrap: str, database: Database, logs: Path, functions: Sequence[Function]) -> None:
        self._functions = tuple(functions)
        self._database = database
        self._bootstrap = bootstrap
        self._logs = logs
        self._lock = Lock()
        self._kept: list[Metric] = []
        self._until = 0.0
        parts: dict[str, Callable[[], Iterable[Sample]]] = {
            "kafka": self._kafka,
            "postgresql": self._postgresql,
            "event_sources": self._event_sources,
        }
        self._probes = [Probe(name, ask, FAILURES) for name, ask in parts.items()]

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked when this is registered."""
        return [_family(name) for name in FAMILIES]

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if time.monotonic() > self._until:
                self._kept = _families(self._samples())
                self._until = time.monotonic() + FRESH_S
            yield from self._kept

    def _samples(self) -> Iterator[Sample]:
        begun = time.monotonic()
        for probe in self._probes:
            probe.start()
        for probe in self._probes:
            answer = probe.answer(begun + PATIENCE_S)
            yield from answer or ()
            yield "stoa_up", (probe.name,), float(answer is not None)
            yield "stoa_scrape_seconds", (probe.name,), PATIENCE_S if answer is None else probe.seconds

    def _kafka(self) -> Iterator[Sample]:
        counts = record_counts(self._bootstrap, [topic.name for topic in topics_with_dlq()])
        for topic, count in counts.items():
            yield "stoa_topic_records_total", (topic,), count
        behind: dict[Labels, list[Lag]] = {}
        for lag in lags(self._bootstrap, self._functions):
            behind.setdefault((lag.group.removesuffix(f".{lag.topic}"), lag.topic), []).append(lag)
        for where, found in behind.items():
            yield "stoa_consumer_lag", where, sum(lag.behind for lag in found)
            ages = [lag.oldest_s for lag in found if lag.behind and lag.oldest_s is not None]
            if ages or not any(lag.behind for lag in found):  # an age that nobody knows is no zero
                yield "stoa_consumer_oldest_seconds", where, max(ages, default=0)

    def _postgresql(self) -> Iterator[Sample]:
        with self._database.transaction() as connection:
            yield from _outbox(connection)
            yield from _parked(connection, self._functions)
            yield "stoa_audit_unsigned_oldest_seconds", (), _unsigned(connection)
            yield "stoa_busy_lanes", (), _one(connection, "SELECT count(deployment_id) AS n FROM lanes")["n"]
        with self._database.transaction(admin_read=True) as connection:
            yield from _deployments(connection)

    def _event_sources(self) -> Iterable[Sample]:
        """All members of a group together."""
        sums: Counter[tuple[str, Labels]] = Counter()
        for path in self._logs.glob("*.counters.json"):
            found = REPORT.fullmatch(path.name)
            if found is None:
                continue
            said = counters.read(path)
            where: Labels = (found["function"], found["topic"])
            sums["stoa_event_source_invocations_total", where] += said.invocations
            for what in RECORDS:
                sums["stoa_event_source_records_total", (*where, what)] += getattr(said, what)
            for what in ERRORS:
                sums["stoa_event_source_errors_total", (*where, what)] += getattr(said, f"{what}_errors")
        return ((name, labels, value) for (name, labels), value in sorted(sums.items()))


def _outbox(connection: Connection) -> Iterator[Sample]:
    waits = _one(
        connection,
        "SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS age FROM outbox"
        " WHERE published_at IS NULL AND refused IS NULL",
    )
    yield "stoa_outbox_waiting", (), waits["n"]
    yield "stoa_outbox_oldest_seconds", (), waits["age"]
    refused = _one(connection, "SELECT count(*) AS n FROM outbox WHERE refused IS NOT NULL")
    yield "stoa_outbox_set_aside", (), refused["n"]


def _unsigned(connection: Connection) -> float:
    row = _one(
        connection,
        "SELECT coalesce(extract(epoch FROM now() - min(kept_at)), 0) AS age FROM audit_chains"
        " JOIN audit_links USING (partition, history)"
        " WHERE kept_offset > signed_offset AND record_offset > signed_offset",
    )
    return float(row["age"])


def _parked(connection: Connection, functions: Sequence[Function]) -> Iterator[Sample]:
    rows = connection.execute(
        "SELECT consumer, count(DISTINCT key) AS n, extract(epoch FROM now() - min(parked_at)) AS age FROM parked"
        " GROUP BY consumer"
    )
    found = {row["consumer"]: row for row in rows}
    for function in functions:
        for source in function.sources:
            row = found.get(f"{function.name}.{source.topic}", {"n": 0, "age": 0})
            yield "stoa_parked_keys", (function.name, source.topic), row["n"]
            yield "stoa_parked_oldest_seconds", (function.name, source.topic), row["age"]


def _deployments(connection: Connection) -> Iterator[Sample]:
    rows = connection.execute("SELECT state, count(*) AS n FROM deployments WHERE finished_at IS NULL GROUP BY state")
    unfinished = {row["state"]: row["n"] for row in rows}
    for state in STATES:
        yield "stoa_deployments_unfinished", (state,), unfinished.get(state, 0)
    # the step keeps its first start, while a launch that got no answer is claimed again and again
    oldest = _one(
        connection,
        "SELECT coalesce(extract(epoch FROM now() - min(s.started_at)), 0) AS age FROM deployment_steps AS s"
        " JOIN deployments AS d ON d.id = s.deployment_id WHERE d.finished_at IS NULL AND s.name = 'awx_trigger'",
    )
    yield "stoa_busy_lane_oldest_seconds", (), oldest["age"]
    failed = connection.execute(
        "WITH failed AS (SELECT tenant, coalesce(error ->> 'code', 'none') AS code, count(*) AS n,"
        " row_number() OVER (PARTITION BY tenant ORDER BY count(*) DESC, error ->> 'code') AS place FROM deployments"
        " WHERE id >= %s AND state = 'failed' AND finished_at > now() - interval '1 hour'"
        " GROUP BY tenant, error ->> 'code')"
        " SELECT tenant, CASE WHEN place <= %s THEN code ELSE 'other' END AS code, sum(n) AS n FROM failed"
        " GROUP BY 1, 2",
        (first_id(datetime.now(UTC) - ASKED_WITHIN), TOP_CODES),
    )
    for row in failed:
        yield "stoa_deployments_failed_last_hour", (row["tenant"], row["code"]), row["n"]


def first_id(moment: datetime) -> str:
    """No deployment of that moment or later has a smaller id: they begin with the time, see kernel/ids.py."""
    number, digits = int(moment.timestamp() * 1000), "0123456789abcdefghjkmnpqrstvwxyz"
    return "dep-" + "".join(digits[number >> shift & 31] for shift in range(45, -1, -5))


def _one(connection: Connection, statement: str) -> Row:
    row = connection.execute(statement).fetchone()
    assert row is not None  # noqa: S101  an aggregate always has a row
    return row


def _families(samples: Iterable[Sample]) -> list[Metric]:
    """All of them, those without samples too: their names are documented where Prometheus shows them."""
    made = {name: _family(name) for name in FAMILIES}
    for name, labels, value in samples:
        made[name].add_metric(list(labels), float(value))
    return list(made.values())


def _family(name: str) -> Any:
    says, labels = FAMILIES[name]
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(name, says, labels=list(labels))
