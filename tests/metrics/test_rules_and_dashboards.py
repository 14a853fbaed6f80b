"""No rule and no panel asks for what nobody tells, and each alert fires when it must (promtool)."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk.wiring import FUNCTIONS, TOPICS
from local.emf import exported_name
from local.gauges import FAMILIES
from stoa.kernel.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "cdk" / "observability"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
LABELS = {name: set(labels) for name, (_, labels) in FAMILIES.items()} | {
    exported_name(metric): {"function", *metric.dimensions} for metric in METRICS
}
SINKS = {"events_to_search", "events_to_archive", "deploy_results_to_notifications", "notifications_to_people"}


def panels() -> list[tuple[str, str, str]]:
    """Where, expression, legend."""
    return [
        (f"{path.stem}: {panel['title']}", target["expr"], target["legendFormat"])
        for path in sorted((FOLDER / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def asked() -> list[tuple[str, str, str]]:
    return [(rule["alert"], rule["expr"], "") for rule in RULES] + panels()


def family(name: str) -> str:
    return name if name in LABELS else re.sub(r"_(bucket|sum|count)$", "", name)


def test_every_metric_and_label_that_is_asked_for_is_exported() -> None:
    unknown = []
    for where, expression, legend in asked():
        names = {family(name) for name in re.findall(r"\bstoa_[a-z_]+", expression)}
        labels = set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', expression)) | set(re.findall(r"{{(\w+)}}", legend))
        for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            labels |= {name.strip() for name in listed.split(",") if name.strip()}
        known = {"le"}.union(*(LABELS.get(name, set()) for name in names))
        unknown += [(where, name) for name in (names - set(LABELS)) | (labels - known)]
        assert names, where
    assert unknown == []


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {family(name) for _, expression, _ in panels() for name in re.findall(r"\bstoa_[a-z_]+", expression)}
    assert set(LABELS) - shown == set()


def test_functions_and_topics_in_expressions_exist() -> None:
    names = {f.name for f in FUNCTIONS}
    for where, expression, _ in asked():
        for value in re.findall(r'function(?:=~|!~|=)"([^"]+)"', expression):
            assert set(value.split("|")) <= names, where
        for value in re.findall(r'topic="([^"]+)"', expression):
            assert value in {topic.name for topic in TOPICS}, where
    told = {name: set(re.findall(r'function[!=]~"([^"]+)"', rule["expr"])[0].split("|"))
            for rule in RULES if (name := rule["alert"]) in ("ConsumerBehind", "SinkBehind")}  # fmt: skip
    assert told == {"ConsumerBehind": SINKS, "SinkBehind": SINKS}, "each consumer has exactly one of the two limits"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_where_it_is_written_what_to_do(rule: dict[str, Any]) -> None:
    said = rule["annotations"]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert all(said[name] for name in ("summary", "description"))
    page, anchor = said["runbook_url"].split("#")
    sections = (ROOT / page).read_text().split("\n## ")[1:]
    by_anchor = {one.split("\n")[0].lower().replace(" ", "-"): one for one in sections}
    assert f"*{rule['alert']}*" in by_anchor[anchor]


def test_every_alert_is_in_the_tests_of_the_rules() -> None:
    tests = (FOLDER / "alerts.test.yaml").read_text()
    patterns = {"ConsumerBehind|SinkBehind": ".*Behind", "OutboxStuck|OutboxSetAside": "Outbox.*"}
    by_pattern = {name for names, said in patterns.items() if said in tests for name in names.split("|")}
    assert [rule["alert"] for rule in RULES if rule["alert"] not in tests and rule["alert"] not in by_pattern] == []


def test_promtool_takes_the_rules_and_their_tests_pass() -> None:
    built = ROOT / "build" / "bin" / "promtool"
    promtool = str(built) if built.exists() else shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: `make build/bin/promtool` builds it, with Go")
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
