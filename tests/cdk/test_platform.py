"""What Argo CD brings up out of Git: rendered, checked, and held to its arrows."""

import json
import re
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from local.parts.keycloak import VERSION as KEYCLOAK
from stoa.kernel.metrics import METRICS
from tests.cdk.platform_charts import CHARTS, PLATFORM, ROOT, pod_template, render, template, validate, workloads

GUARDRAILS = yaml.safe_load((PLATFORM / "charts/guardrails/values.yaml").read_text())
PINNED = re.compile(r"[0-9]+[.][0-9]+[.][0-9]+")
REALM = ROOT / "cdk" / "identity" / "realm.json"


def applications() -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in render("apps")}


@pytest.mark.parametrize("chart", CHARTS)
def test_every_manifest_is_one_that_kubernetes_takes(chart: str) -> None:
    made = render(chart)
    assert made
    for one in made:
        validate(one)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    good = next(one for one in render("keycloak") if one["kind"] == "Deployment")
    bad = json.loads(json.dumps(good))
    bad["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(bad)


def test_every_application_is_pinned_and_reads_what_exists() -> None:
    for name, application in applications().items():
        sources = application["spec"]["sources"]
        ours = [one for one in sources if "path" in one]
        theirs = [one for one in sources if "chart" in one]
        assert len(ours) + len(theirs) == 1, name
        for source in theirs:
            assert PINNED.fullmatch(source["targetRevision"]), name
            assert source["helm"]["valueFiles"] == [f"$ours/cdk/platform/values/{name}.yaml"]
            assert (PLATFORM / "values" / f"{name}.yaml").exists(), name
        for source in ours:
            assert (ROOT / source["path"]).is_dir(), name
    paths = {one["path"] for a in applications().values() for one in a["spec"]["sources"] if "path" in one}
    assert paths == {f"cdk/platform/charts/{chart}" for chart in CHARTS} | {"cdk/platform/awx-operator"}
    values = {path.stem for path in (PLATFORM / "values").glob("*.yaml")}
    assert values == {name for name, a in applications().items() if any("chart" in s for s in a["spec"]["sources"])}


def test_the_platform_has_all_its_parts_and_each_after_what_it_needs() -> None:
    waves = {
        name: int(one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for name, one in applications().items()
    }
    parts = {"gatekeeper", "keycloak", "vault", "awx", "opensearch", "fluent-bit", "monitoring", "observability"}
    assert parts <= set(waves)
    for first, then in (
        ("gatekeeper", "guardrails"),
        ("certificates", "vault"),
        ("databases", "keycloak"),
        ("databases", "awx"),
        ("awx-operator", "awx"),
        ("search-users", "opensearch"),
        ("opensearch", "fluent-bit"),
        ("monitoring", "observability"),
    ):
        assert waves[first] < waves[then], (first, then)


def test_what_differs_between_stages_reaches_the_charts() -> None:
    given = ("stage=prod", "domain=prod.example.com", "database.host=db.example.com", "vault.key=abc")
    made = {one["metadata"]["name"]: one for one in render("apps", *given)}

    def parameters(name: str) -> dict[str, str]:
        helm = made[name]["spec"]["sources"][0]["helm"]
        return {one["name"]: one["value"] for one in helm["parameters"]}

    assert parameters("keycloak")["database"] == "db.example.com"
    assert parameters("keycloak")["domain"] == "prod.example.com"
    assert parameters("guardrails")["stage"] == "prod"
    assert parameters("vault")["server.extraEnvironmentVars.VAULT_AWSKMS_SEAL_KEY_ID"] == "abc"


def test_no_secret_stands_in_git() -> None:
    for chart in ("apps", *CHARTS):
        assert [one["metadata"]["name"] for one in render(chart) if one["kind"] == "Secret"] == []
    for workload in workloads():
        template_of = pod_template(workload)
        assert template_of
        spec = template_of["spec"]
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            for variable in container.get("env", []):
                if re.search("PASSWORD|SECRET", variable["name"]):
                    assert "secretKeyRef" in variable.get("valueFrom", {}), variable["name"]


def test_our_pods_are_small_and_locked_down() -> None:
    for workload in workloads():
        template_of = pod_template(workload)
        assert template_of
        spec = template_of["spec"]
        assert spec["securityContext"]["runAsNonRoot"], workload["metadata"]["name"]
        assert spec["automountServiceAccountToken"] is False
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert container["resources"]["limits"]["memory"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def policies() -> dict[str, dict[str, Any]]:
    """What each namespace's policy says; it is the only one there."""
    found = [one for one in render("guardrails") if one["kind"] == "NetworkPolicy"]
    by_namespace = {one["metadata"]["namespace"]: one["spec"] for one in found}
    assert len(by_namespace) == len(found)
    return by_namespace


def test_in_every_namespace_nobody_speaks_to_anybody_unless_an_arrow_says_so() -> None:
    assert set(policies()) == set(GUARDRAILS["namespaces"])
    drawn = {(one["from"], one["to"]) for one in GUARDRAILS["arrows"]}
    assert len(drawn) == len(GUARDRAILS["arrows"])
    for namespace, spec in policies().items():
        assert (spec["podSelector"], spec["policyTypes"]) == ({}, ["Ingress", "Egress"])
        inwards = [ports(one) for one in spec["ingress"] or []]
        assert inwards == [one["ports"] for one in GUARDRAILS["arrows"] if one["to"] == namespace]
        names, *outwards = [ports(one) for one in spec["egress"]]
        assert names == [53, 53]
        assert outwards == [one["ports"] for one in GUARDRAILS["arrows"] if one["from"] == namespace]


def ports(rule: dict[str, Any]) -> list[int]:
    return [one["port"] for one in rule["ports"]]


def test_no_arrow_opens_all_ports_and_only_https_leaves_the_network() -> None:
    for namespace, spec in policies().items():
        for rule in (*(spec["ingress"] or []), *spec["egress"]):
            peers = rule.get("to", []) + rule.get("from", [])
            assert ports(rule), namespace
            assert peers, namespace
            assert {} not in peers
            if {"ipBlock": {"cidr": "0.0.0.0/0"}} in peers:
                assert (ports(rule), "to" in rule) == ([443], True), namespace


def test_who_is_asked_can_be_reached_and_nobody_else_can() -> None:
    """The arrows that the functions and browsers need, and two that must not be there."""
    drawn = {(one["from"], one["to"]): set(one.get("ports", [])) for one in GUARDRAILS["arrows"]}
    for place, port in (("keycloak", 8443), ("awx", 8052), ("vault", 8200), ("logging", 9200), ("redpanda", 9094)):
        assert port in drawn[("vpc", place)]
    assert ("keycloak", "anywhere") not in drawn
    # its console, which asks nobody who they are, is reached by nobody but itself
    assert [pair for pair in drawn if pair[1] == "redpanda" and 8080 in drawn[pair]] == [("redpanda", "redpanda")]
    assert [pair for pair in drawn if pair[1] == "databases"] == []
    assert [pair for pair in drawn if pair[1] == "redpanda" and 9644 in drawn[pair]] == [
        ("redpanda", "redpanda"),
        ("monitoring", "redpanda"),
    ]


def test_a_placeholder_of_the_realm_without_a_value_stops_the_rendering() -> None:
    done = template("keycloak", "realm.STOA_PORTAL_URL=")
    assert done.returncode != 0
    assert "the realm has a placeholder without a value: STOA_PORTAL_URL" in done.stderr
    required = keycloak_environment("check-realm")["REQUIRED"]["value"].split()
    assert set(required) == set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)\}", REALM.read_text()))


def keycloak_environment(container: str) -> dict[str, dict[str, Any]]:
    deployment = next(one for one in render("keycloak") if one["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    found = next(one for one in (*spec["initContainers"], *spec["containers"]) if one["name"] == container)
    return {one["name"]: one for one in found["env"]}


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = PLATFORM / "charts/keycloak/files/check.sh"
    return subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("value", [None, "", "  ", "${STOA_PORTAL_URL}"])
def test_keycloak_does_not_start_with_a_realm_that_lacks_a_value(value: str | None) -> None:
    """The secrets are known only where it runs, so the pod looks again: nothing unset, empty or left as text."""
    checked = keycloak_environment("check-realm")
    assert set(checked) == set(checked["REQUIRED"]["value"].split()) | {"REQUIRED"}
    assert {n: v for n, v in keycloak_environment("keycloak").items() if n in checked} == checked
    given = {name: one.get("value", "a-secret") for name, one in checked.items()}
    assert check(given).returncode == 0
    given.pop("STOA_OPERATOR_CLIENT_SECRET")
    if value is not None:
        given["STOA_OPERATOR_CLIENT_SECRET"] = value
    done = check(given)
    assert (done.returncode, done.stderr) == (1, "the realm needs a value for STOA_OPERATOR_CLIENT_SECRET\n")


def test_keycloak_is_the_one_that_our_realm_is_tested_with_and_imports_that_very_file() -> None:
    deployment = next(one for one in render("keycloak") if one["kind"] == "Deployment")
    images = {c["image"] for c in deployment["spec"]["template"]["spec"]["containers"]}
    assert images == {f"quay.io/keycloak/keycloak:{KEYCLOAK}"}
    realm = next(one for one in render("keycloak") if one["kind"] == "ConfigMap")
    assert json.loads(realm["data"]["stoa-realm.json"]) == json.loads(REALM.read_text())


def test_grafana_shows_each_metric_that_functions_write_in_the_stage_that_it_stands_in() -> None:
    """And asks nobody else: no rule and no panel is about what only a developer's machine exports."""
    made = {one["kind"]: one for one in render("observability", "stage=prod")}
    assert "PrometheusRule" not in made
    ((name, text),) = made["ConfigMap"]["data"].items()
    targets = [target for panel in json.loads(text)["panels"] for target in panel["targets"]]
    search = re.compile(r"SEARCH\('\{(.+)\} MetricName=\"(.+)\"', '(Sum|p95)', 300\)")
    found = [search.fullmatch(target["expression"]) for target in targets]
    schemas = {one[2]: one[1].split(",") for one in found if one}
    assert schemas == {one.name: ["stoa/prod", "service", "function", *one.dimensions] for one in METRICS}
    assert name == "functions.json"
    grafana = yaml.safe_load((PLATFORM / "values/monitoring.yaml").read_text())["grafana"]
    assert {t["datasource"]["uid"] for t in targets} == {source["uid"] for source in grafana["additionalDataSources"]}
