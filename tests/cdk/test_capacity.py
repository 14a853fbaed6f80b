"""Whether what the platform asks for fits on the machines that it has: from the values that are deployed."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from cdk.capacity import MACHINES, ON_EACH, ONCE, Machine
from cdk.stacks import cluster_charts, kafka, platform
from cdk.stages import STAGES
from tests.cdk.platform_charts import PLATFORM, render, workloads

BROKER_MIB = 2048
BY_CDK: dict[str, dict[str, Any]] = {
    "cert-manager": cluster_charts.CERTIFICATES_VALUES,
    "external-secrets": cluster_charts.SECRETS_VALUES,
    "aws-load-balancer-controller": cluster_charts.LOAD_BALANCING_VALUES,
    "operator": kafka.OPERATOR_VALUES,
    "redpanda": kafka.values(),
    "argo-cd": platform.values("example.com"),
}


@dataclass(frozen=True)
class Pod:
    name: str
    milli_cpu: int
    memory_mib: int


def pods_of(name: str, requests: dict[str, Any], count: int) -> list[Pod]:
    return [Pod(name, milli(str(requests["cpu"])), mib(str(requests["memory"])))] * count


def milli(cpu: str) -> int:
    return int(cpu[:-1]) if cpu.endswith("m") else int(float(cpu) * 1000)


def mib(memory: str) -> int:
    return math.ceil(float(memory[:-2]) * {"Mi": 1, "Gi": 1024}[memory[-2:]])


def at(values: dict[str, Any], path: str) -> dict[str, Any]:
    for step in path.split("."):
        values = values[step]
    return values


# what each chart of others runs: where its values say what a pod asks for, and how many of it there are
OF_CHARTS: dict[str, list[tuple[str, int]]] = {
    "cert-manager": [("resources", 1), ("webhook.resources", 1), ("cainjector.resources", 1)],
    "external-secrets": [("resources", 1), ("webhook.resources", 1), ("certController.resources", 1)],
    "aws-load-balancer-controller": [("resources", 1)],
    "operator": [("resources", 1)],
    "redpanda": [("resources", 3), ("console.resources", 1)],
    "argo-cd": [
        ("controller.resources", 1),
        ("repoServer.resources", 1),
        ("server.resources", 1),
        ("redis.resources", 1),
    ],
    "gatekeeper": [("controllerManager.resources", 2), ("audit.resources", 1)],
    "vault": [("server.resources", 1)],
    "opensearch": [("resources", 1)],
    "monitoring": [
        ("prometheusOperator.resources", 1),
        ("prometheus.prometheusSpec.resources", 1),
        ("alertmanager.alertmanagerSpec.resources", 1),
        ("kube-state-metrics.resources", 1),
        ("grafana.resources", 1),
    ],
}
ON_EVERY_MACHINE = {"fluent-bit": "resources", "monitoring": "prometheus-node-exporter.resources"}


def asked_for() -> tuple[list[Pod], tuple[int, int]]:
    """Every pod there is, and milli-CPU and MiB of those that are on every machine."""
    values = dict(BY_CDK)
    values |= {path.stem: yaml.safe_load(path.read_text()) for path in (PLATFORM / "values").glob("*.yaml")}
    assert set(values) == set(OF_CHARTS) | {"fluent-bit"}
    found = [
        pod
        for chart, parts in OF_CHARTS.items()
        for path, count in parts
        for pod in pods_of(chart, at(values[chart], path)["requests"], count)
    ]
    for workload in workloads():
        if workload["kind"] == "Deployment":
            container = workload["spec"]["template"]["spec"]["containers"][0]
            found += pods_of(
                workload["metadata"]["name"], container["resources"]["requests"], workload["spec"]["replicas"]
            )
    (awx,) = [one["spec"] for one in render("awx") if one["kind"] == "AWX"]
    shares = {"web": ("web", "redis", "rsyslog"), "task": ("task", "ee", "redis", "rsyslog")}
    for pod, parts in shares.items():
        asked = [awx[f"{part}_resource_requirements"]["requests"] for part in parts]
        found.append(Pod(f"awx-{pod}", sum(milli(a["cpu"]) for a in asked), sum(mib(a["memory"]) for a in asked)))
    found += [Pod("awx-operator", 50, 256)]
    found += [Pod(name, cpu, memory) for name, (count, cpu, memory) in ONCE.items() for _ in range(count)]
    each = [at(values[chart], path)["requests"] for chart, path in ON_EVERY_MACHINE.items()]
    cpu = sum(one[0] for one in ON_EACH.values()) + sum(milli(one["cpu"]) for one in each)
    memory = sum(one[1] for one in ON_EACH.values()) + sum(mib(one["memory"]) for one in each)
    return found, (cpu, memory)


@dataclass
class Room:
    """What a machine has left, and whose pods are on it."""

    milli_cpu: int
    memory_mib: int
    pods: list[str]

    def takes(self, pod: Pod) -> bool:
        """A broker never stands beside another."""
        apart = pod.name != "redpanda" or pod.memory_mib < BROKER_MIB or "broker" not in self.pods
        return apart and self.milli_cpu >= pod.milli_cpu and self.memory_mib >= pod.memory_mib

    def put(self, pod: Pod) -> None:
        self.milli_cpu -= pod.milli_cpu
        self.memory_mib -= pod.memory_mib
        self.pods.append("broker" if pod.name == "redpanda" and pod.memory_mib >= BROKER_MIB else pod.name)


def placed(machine: Machine, count: int) -> list[Room]:
    """Every pod on a machine, largest first, each where the most memory is left. Raises AssertionError without room."""
    pods, (cpu, memory) = asked_for()
    has_cpu, has_memory = machine.for_pods
    rooms = [Room(has_cpu - cpu, has_memory - memory, []) for _ in range(count)]
    for pod in sorted(pods, key=lambda one: -one.memory_mib):
        free = [room for room in rooms if room.takes(pod)]
        assert free, f"no room for {pod}: {rooms}"
        max(free, key=lambda room: room.memory_mib).put(pod)
    return rooms


def test_machines_have_what_their_makers_say() -> None:
    """6 % of the first core and 1 % of the second are kept, and about 7 of 8 GiB are left."""
    assert MACHINES["t3.large"].for_pods == (1930, 7864 - 385 - 355)


def test_everything_fits_on_the_machines_of_every_stage() -> None:
    for stage in STAGES:
        machine = MACHINES[stage.node_type]
        rooms = placed(machine, stage.nodes)
        assert all(len(room.pods) + len(ON_EACH) + len(ON_EVERY_MACHINE) <= machine.pods for room in rooms)
        assert [room.pods.count("broker") for room in rooms] == [1, 1, 1]
        # what short-lived pods need: hooks of charts, the databases' jobs, and jobs of AWX
        assert sum(room.milli_cpu for room in rooms) >= 200
        assert max(room.memory_mib for room in rooms) >= 512


def test_what_does_not_fit_is_found() -> None:
    for smaller in (Machine(2000, 6144, 35), Machine(1600, 8192, 35)):
        with pytest.raises(AssertionError, match="no room for"):
            placed(smaller, 3)
