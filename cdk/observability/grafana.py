"""Dashboards in Grafana's JSON model.

Source: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA_VERSION = 39
WIDTH, HEIGHT, COLUMNS = 12, 8, 24
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """A PromQL expression; `legend` may name labels as `{{topic}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """`unit` is Grafana's word for it: s, short, percentunit, reqps."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    says: str = ""


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    panels: tuple[Panel, ...]


def document(one: Dashboard) -> dict[str, Any]:
    variables = [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
    return page(one.uid, one.title, [_panel(panel, number) for number, panel in enumerate(one.panels)], variables)


def page(uid: str, title: str, panels: list[dict[str, Any]], variables: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "tags": ["stoa"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [*variables]},
        "panels": panels,
    }


def place(number: int) -> dict[str, int]:
    """Of the panel with that number, from the top left."""
    across = COLUMNS // WIDTH
    return {"h": HEIGHT, "w": WIDTH, "x": number % across * WIDTH, "y": number // across * HEIGHT}


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    instant = panel.kind != "timeseries"
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.says,
        "type": panel.kind,
        "datasource": DATA_SOURCE,
        "gridPos": place(number),
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATA_SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or panel.title,
                "instant": instant,
                "range": not instant,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for index, query in enumerate(panel.queries)
        ],
    }
