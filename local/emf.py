"""What the functions counted, read from the metric lines in their logs, as counters and histograms for Prometheus."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from cdk.wiring import Function
from stoa.audit.events import AUDIT_LOG
from stoa.kernel.metrics import (
    AUDITED,
    CHECKPOINTS,
    DURATION,
    GIVEN_UP,
    METRICS,
    PARKED,
    PROCESSED,
    REFUSED,
    REQUEST_DURATION,
    REQUESTS,
    TICKS,
    WAITING,
    WEBHOOKS,
    Metric,
)

MARK = b'"_aws"'
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 300, 600, 3600)
ANSWERED = ("2xx", "3xx", "4xx", "5xx")
SIGNS = "events_to_archive"
COUNTS_ENDS, ENDS = "deploy_results_to_status", ("success", "failed", "superseded", "cancelled")
PER_RECORD = (PROCESSED, WAITING, REFUSED, GIVEN_UP, PARKED)

disable_created_metrics()  # type: ignore[no-untyped-call]


class Tail:
    """The lines that were added to a file since the last look; begins at its present end.

    The end of a line that is not there yet is waited for; a file that was cut, or replaced, is read from its beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = 0
        self._at = 0
        if path.exists():
            self._file, self._at = path.stat().st_ino, path.stat().st_size

    def lines(self) -> Iterator[bytes]:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._at = 0  # the next one may get the same number
            return
        with file:
            found = self._path.stat()
            if found.st_ino != self._file or found.st_size < self._at:
                self._file, self._at = found.st_ino, 0
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                yield line


class FunctionMetrics(Collector):
    """The metrics of kernel/metrics.py, named as Prometheus wants them; the logs are read when it is asked."""

    def __init__(self, logs: Path, functions: Sequence[Function]) -> None:
        self._lock = Lock()
        self._registry = CollectorRegistry()
        self._tails = [Tail(logs / f"{function.name}.log") for function in functions]
        self._kept = {metric.name: (metric, _kept(metric, self._registry)) for metric in METRICS}
        for metric, labels in _known(functions):
            self._kept[metric.name][1].labels(*labels)

    def collect(self) -> Iterable[Family]:
        with self._lock:
            for tail in self._tails:
                for line in tail.lines():
                    if MARK in line:
                        self._take(line)
            return list(self._registry.collect())

    def _take(self, line: bytes) -> None:
        """A line that is damaged, or none of ours, is passed over."""
        try:
            said = json.loads(line)
            for named in said["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                metric, kept = self._kept[named["Name"]]
                labels = [str(said[name]) for name in ("function", *metric.dimensions)]
                values = [float(value) for value in said[metric.name]]
                for value in values:
                    _add(kept.labels(*labels), value)
        except (ValueError, KeyError, TypeError, IndexError):
            return


def exported_name(metric: Metric) -> str:
    """As Prometheus names it, without the suffixes of a histogram."""
    return f"stoa_{metric.name}_total" if metric.unit is MetricUnit.Count else f"stoa_{metric.name}_seconds"


def _kept(metric: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    labels = ("function", *metric.dimensions)
    if metric.unit is MetricUnit.Count:
        return Counter(exported_name(metric), metric.says, labels, registry=registry)
    return Histogram(exported_name(metric), metric.says, labels, registry=registry, buckets=BUCKETS_S)


def _add(kept: Any, value: float) -> None:
    if isinstance(kept, Counter):
        kept.inc(value)
    else:
        kept.observe(value / 1000)


def _known(functions: Sequence[Function]) -> Iterator[tuple[Metric, tuple[str, ...]]]:
    """Series that are there from the start, at zero: Prometheus sees no increase in the first value of a series."""
    for function in functions:
        for metric, source in product(PER_RECORD, function.sources):
            yield metric, (function.name, source.topic)
        if function.every_s and not function.sources:
            yield from ((TICKS, (function.name, outcome)) for outcome in ("done", "waits", "failed"))
        if function.http:
            yield from ((WEBHOOKS, (function.name, sender)) for sender in ("gitlab", "awx"))
            yield from ((metric, (function.name,)) for metric in METRICS if not metric.dimensions)
            yield from product((REQUESTS, REQUEST_DURATION), ((function.name, answered) for answered in ANSWERED))
        if any(source.topic == AUDIT_LOG for source in function.sources):
            yield from ((AUDITED, (function.name, kind)) for kind in ("heartbeat", "action"))
        if function.name == SIGNS:
            yield CHECKPOINTS, (function.name,)
        if function.name == COUNTS_ENDS:
            yield from ((DURATION, (function.name, status)) for status in ENDS)
