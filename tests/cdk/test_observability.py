import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk.assertions import Template

from cdk.stacks.alarms import Rule, api_rules
from cdk.stacks.rules import all_rules, most_connections
from cdk.stages import STAGES, StageName
from cdk.wiring import FUNCTIONS
from stoa.kernel import metrics
from stoa.kernel.metrics import Metric
from stoa.kernel.settings import settings
from tests.cdk import standins
from tests.cdk.standins import bare, only
from tests.cdk.written import Written, of_kind

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks.md"
KINDS = {metric.name: metric for metric in metrics.METRICS}
GROUPS = {f"{function.name}.{source.topic}" for function in FUNCTIONS for source in function.sources}
# whose silence is the fault
HEARTBEATS = ("NotDone", "Heartbeat", "Unsigned")


@pytest.fixture(scope="module")
def observability(template: Callable[..., Template]) -> Template:
    return template("dev", "observability")


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    place = Stack(bare(), "elsewhere")
    functions, mappings = standins.functions(place), standins.mappings(place)
    every = all_rules(STAGES[0], functions, mappings, standins.database(place))
    return [*every, *api_rules(standins.http_api(place))]


def alarms(observability: Template) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in observability.find_resources("AWS::CloudWatch::Alarm").items()}


def asked(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each metric that the alarm reads."""
    if "MetricName" in alarm:
        yield alarm
    for part in alarm.get("Metrics", ()):
        if "MetricStat" in part:
            yield part["MetricStat"]["Metric"]


def sections() -> dict[str, str]:
    parts = RUNBOOKS.read_text().split("\n## ")[1:]
    return {re.sub(r"[^a-z0-9 -]", "", p.split("\n")[0].lower()).replace(" ", "-"): p for p in parts}


def test_each_alarm_has_a_section_of_the_runbooks_that_names_it(observability: Template, rules: list[Rule]) -> None:
    known = sections()
    assert [r.name for r in rules if f"*{r.name.partition('-')[0]}*" not in known.get(r.runbook, "")] == []
    written = alarms(observability)
    assert len(written) == len(rules) == len({rule.name for rule in rules})
    anchors = {alarm["AlarmDescription"].rpartition(" docs/runbooks.md#")[2] for alarm in written.values()}
    assert anchors <= set(known)


def test_every_function_and_every_mapping_is_watched(rules: list[Rule]) -> None:
    found: dict[str, set[str]] = {}
    for rule in rules:
        kind, _, of = rule.name.partition("-")
        found.setdefault(kind, set()).add(of)
    names = {function.name for function in FUNCTIONS}
    assert found["Errors"] == found["Throttles"] == found["Duration"] == names
    assert found["Behind"] == found["Dropped"] == found["Polling"] == GROUPS
    assert found["DeadLetters"] == {group for group in GROUPS if not group.startswith("events_to_archive.")}
    reconcilers = {"awx_reconciler", "gitlab_reconciler", "keycloak_reconciler"}
    assert found["NotDone"] == {*reconcilers, "outbox_relay", "nightly_cleanup"}
    assert found["Heartbeat"] == {"events_to_archive", "events_to_search"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """To be that of a deployed function; the settings of this process are read anew before and after it."""
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def test_alarms_read_what_the_functions_write(
    stages: dict[StageName, Written], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudWatch keeps a metric for each namespace and set of dimensions: one more or less, and an alarm reads nothing.
    Each function counts here, in the environment that its template gives it, what an alarm of its stage wants."""
    for stage, written in stages.items():
        made = of_kind(written.stacks["observability"], "AWS::CloudWatch::Alarm").values()
        read = [one for alarm in made for one in asked(alarm) if one["Namespace"].split("/")[0] == "stoa"]
        for one in read:
            wanted = {d["Name"]: d["Value"] for d in one["Dimensions"]}
            for name in ("STOA_FUNCTION", "STOA_STAGE"):
                environment.setenv(name, written.functions[wanted["function"]]["Environment"]["Variables"][name])
            found = line_of(KINDS[one["MetricName"]], wanted, capsys)
            assert found == (one["Namespace"], one["MetricName"], wanted)
            assert one["Namespace"] == f"stoa/{stage}"
        assert {one["MetricName"] for one in read} == {
            "records_refused", "records_given_up", "ticks", "audit_records", "audit_checkpoints", "outbox_age",
            "deployment_duration", "launch_latency",
        }  # fmt: skip


def line_of(
    metric: Metric, where: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> tuple[str, str, dict[str, str]]:
    """The metric that CloudWatch makes of a line: its namespace, its name, and its dimensions with their values."""
    settings.cache_clear()
    metrics.flush()
    capsys.readouterr()
    metric.add(1, **{name: where[name] for name in metric.dimensions if name in where})
    metrics.flush()
    said = json.loads(capsys.readouterr().out)
    (directive,) = said["_aws"]["CloudWatchMetrics"]
    (dimensions,), (named,) = directive["Dimensions"], directive["Metrics"]
    return directive["Namespace"], named["Name"], {name: said[name] for name in dimensions}


def test_the_page_of_a_stage_shows_no_other_ones_numbers(stages: dict[StageName, Written]) -> None:
    for stage, written in stages.items():
        (page,) = of_kind(written.stacks["observability"], "AWS::CloudWatch::Dashboard").values()
        assert set(re.findall(r"stoa/[a-z]+", json.dumps(page))) == {f"stoa/{stage}"}


def test_silence_is_an_alarm_where_something_is_to_be_heard(rules: list[Rule]) -> None:
    silent = {rule.name.partition("-")[0] for rule in rules if rule.missing.value == "BREACHING"}
    assert silent == set(HEARTBEATS)


def test_the_figures_are_those_of_the_rules_for_prometheus_and_of_the_stage(rules: list[Rule]) -> None:
    by_name = {rule.name: rule for rule in rules}
    limits = {name: (rule.limit, rule.periods) for name, rule in by_name.items()}
    assert limits["OutboxStuck"] == (150_000, 1)
    assert limits["DeploymentsSlow"] == (60_000, 3)
    assert limits["OwnLegsSlow"] == (5_000, 3)
    assert limits["Heartbeat-events_to_archive"] == (1, 5)
    assert limits["NotDone-awx_reconciler"] == (1, 4)
    assert limits["NotDone-nightly_cleanup"] == (1, 2)
    assert limits["Duration-api"] == (29 * 800, 3)
    assert limits["DatabaseFull"] == (2 * 1024**3, 1)
    assert limits["ApiFails"] == (0.02, 1)
    assert [most_connections(stage) for stage in STAGES] == [300, 601, 601]


def test_an_alarm_can_be_evaluated(observability: Template) -> None:
    """Of at most ten metrics, and each expression over names that it has."""
    for name, alarm in alarms(observability).items():
        parts = alarm.get("Metrics", [])
        assert len(parts) <= 10, name
        for part in parts:
            if "Expression" in part:
                words = set(re.findall(r"\b[a-z_]+\b", part["Expression"]))
                assert words == {other["Id"] for other in parts if "Expression" not in other}, name


def test_every_alarm_tells_who_is_on_duty_when_it_begins_and_when_it_ends(observability: Template) -> None:
    (topic,) = observability.find_resources("AWS::SNS::Topic")
    for alarm in alarms(observability).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
    subscription = only(observability, "AWS::SNS::Subscription")
    (parameter,) = (
        n for n, p in observability.to_json()["Parameters"].items() if p["Default"].endswith("/alarm-email")
    )
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", {"Ref": parameter})


def test_cloudwatch_may_publish_to_the_encrypted_topic_and_nobody_without_tls(observability: Template) -> None:
    ours = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    service = {"Service": "cloudwatch.amazonaws.com"}
    statements = only(observability, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    allowed = [s for s in statements if s["Effect"] == "Allow"]
    assert [(s["Principal"], s["Action"], s["Condition"]) for s in allowed] == [(service, "sns:Publish", ours)]
    assert [s["Condition"] for s in statements if s["Effect"] == "Deny"] == [{"Bool": {"aws:SecureTransport": "false"}}]
    key = only(observability, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    (used,) = (s for s in key if s["Principal"] == service)
    assert (used["Action"], used["Condition"]) == (["kms:Decrypt", "kms:GenerateDataKey*"], ours)


def test_one_page_shows_callers_consumers_functions_and_data(observability: Template) -> None:
    page = json.dumps(only(observability, "AWS::CloudWatch::Dashboard"))
    for name in ("API: answers", "records behind", "p99 of their time", "PostgreSQL: free disk", *GROUPS):
        assert name in page
