"""Gatekeeper's rule about tags, run as it is rendered, on pods of ours and on pods that lack something."""

import json
from functools import cache
from typing import Any

import pytest
import yaml
from regopy import Interpreter

from cdk.stages import STAGES
from tests.cdk.platform_charts import pod_template, render, workloads

LABELS = {
    "environment": "dev",
    "project": "payments",
    "cost-center": "cc-42",
    "ttl": "14d",
    "auto-teardown": "true",
    "data-class": "internal",
}
ANNOTATIONS = {"stoa.io/owner": "ann@example.com", "stoa.io/created-at": "2026-01-31T08:00:00+01:00"}
TAGGED = {"labels": LABELS, "annotations": ANNOTATIONS}


@cache
def rules(stage: str) -> dict[str, dict[str, Any]]:
    made = render("guardrails", f"stage={stage}")
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in made}


@cache
def rego() -> str:
    (target,) = rules("dev")["ConstraintTemplate/stoatags"]["spec"]["targets"]
    (code,) = target["code"]
    assert (code["engine"], code["source"]["version"]) == ("Rego", "v1")
    text: str = code["source"]["rego"]
    return text


def refusals(kind: str, thing: dict[str, Any], stage: str = "dev") -> list[str]:
    parameters = rules(stage)["StoaTags/pods"]["spec"]["parameters"]
    engine = Interpreter()
    engine.add_module("tags", rego())
    engine.set_input({"review": {"kind": {"kind": kind}, "object": thing}, "parameters": parameters})
    answer = json.loads(str(engine.query("data.stoa.tags.violation")))
    return sorted(one["msg"] for one in answer["expressions"][0])


def pod(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """A tagged pod; an empty value takes a tag away."""
    return {
        "metadata": {
            "labels": {k: v for k, v in {**LABELS, **(labels or {})}.items() if v},
            "annotations": {k: v for k, v in {**ANNOTATIONS, **(annotations or {})}.items() if v},
        }
    }


def test_a_pod_with_all_tags_is_let_in() -> None:
    assert refusals("Pod", pod()) == []


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "CronJob"])
def test_one_without_any_is_told_all_that_it_lacks(kind: str) -> None:
    bare: dict[str, Any] = {"metadata": {}}
    inside: dict[str, dict[str, Any]] = {
        "Pod": bare,
        "Deployment": {"metadata": TAGGED, "spec": {"template": bare}},
        "CronJob": {"metadata": TAGGED, "spec": {"jobTemplate": {"spec": {"template": bare}}}},
    }
    found = refusals(kind, inside[kind])
    assert len(found) == 8
    for key in (*LABELS, *ANNOTATIONS):
        assert any(f" {key} is missing" in one for one in found), key


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_the_tags_of_a_workload_are_those_of_its_pods(kind: str) -> None:
    assert refusals(kind, {"metadata": {}, "spec": {"template": pod()}}) == []


@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "Service"])
def test_what_has_no_pods_where_they_belong_is_refused(kind: str) -> None:
    assert any("has no metadata for its pods" in one for one in refusals(kind, {"metadata": TAGGED}))


@pytest.mark.parametrize("key", LABELS)
def test_each_label_is_needed_and_read(key: str) -> None:
    for value in ("", "no such value!"):
        (said,) = refusals("Pod", pod(labels={key: value}))
        assert f"label {key} is missing or not one of" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stoa.io/owner", "ann"),
        ("stoa.io/owner", "ann@example.com, bob@example.com"),
        ("stoa.io/created-at", "yesterday"),
        ("stoa.io/created-at", "2026-01-31"),
    ],
)
def test_an_owner_is_a_person_and_a_time_is_one(key: str, value: str) -> None:
    (said,) = refusals("Pod", pod(annotations={key: value}))
    assert f"annotation {key} is missing or not like" in said


@pytest.mark.parametrize(("ttl", "let_in"), [("30d", True), ("31d", False), ("365d", False), ("0d", False)])
def test_nothing_outside_production_lives_longer_than_thirty_days(ttl: str, let_in: bool) -> None:
    for stage in ("dev", "staging"):
        assert (refusals("Pod", pod({"environment": stage, "ttl": ttl}), stage) == []) is let_in


def test_the_cluster_says_whether_it_is_production() -> None:
    lasting = pod({"environment": "prod", "ttl": "365d"})
    assert refusals("Pod", lasting, "prod") == []
    assert len(refusals("Pod", lasting, "dev")) == 2
    assert len(refusals("Pod", pod(), "prod")) == 1


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_our_own_pods_are_let_in_by_themselves(stage: str) -> None:
    found = list(workloads(f"stage={stage}"))
    assert {one["kind"] for one in found} == {"Deployment", "Job"}
    for workload in found:
        assert refusals(workload["kind"], workload, stage) == [], workload["metadata"]["name"]
        assert refusals("Pod", pod_template(workload) or {}, stage) == []


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_pods_from_charts_of_others_get_their_tags_before_they_are_judged(stage: str) -> None:
    """By the mutations, which act in namespaces of the platform only, and on what a pod does not say itself."""
    given: dict[str, dict[str, str]] = {"labels": {}, "annotations": {}}
    for name, rule in rules(stage).items():
        if name.startswith("AssignMetadata/"):
            assert rule["spec"]["match"]["namespaceSelector"] == {"matchLabels": {"stoa.io/platform": "true"}}
            _, kind, key = yaml.safe_load(f"[{rule['spec']['location'].replace('.', ',', 2)}]")
            given[kind][key] = rule["spec"]["parameters"]["assign"]["value"]
    assert refusals("Pod", {"metadata": given}, stage) == []


def test_pods_everywhere_and_workloads_of_others_are_judged() -> None:
    for name, kinds in (
        ("pods", {"Pod"}),
        ("workloads", {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}),
    ):
        spec = rules("dev")[f"StoaTags/{name}"]["spec"]
        assert spec["enforcementAction"] == "deny"
        assert {kind for group in spec["match"]["kinds"] for kind in group["kinds"]} == kinds
        assert spec["match"]["excludedNamespaces"] == ["kube-*", "gatekeeper-system"]
    assert "namespaceSelector" not in rules("dev")["StoaTags/pods"]["spec"]["match"]
