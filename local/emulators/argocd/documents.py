"""An application: as it is kept, and as the API shows it."""

import uuid
from datetime import UTC, datetime

from local.emulators.argocd.answers import Json
from local.emulators.argocd.settings import NAMESPACE, TARGET

KIND = "application"
HEALTH = ("Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown")
OUTCOMES = ("Succeeded", "Failed", "Error")
TEMPLATE: Json = {"project": "default", "target": TARGET, "automated": False, "head": None, "labels": {}}


def stamp(moment: float) -> str:
    """As Kubernetes writes times: whole seconds, cut off."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new(name: str, template: Json, now: float, *, generated: bool) -> Json:
    """`head` is what the target revision resolves to; `live` what is applied in the cluster and how it fares; `next`
    how coming operations go; `due` what the controller will do when."""
    return {
        **TEMPLATE,
        **template,
        "template": template,
        "name": name,
        "uid": str(uuid.uuid4()),
        "created": now,
        "generated": generated,
        "deleting": None,
        "refresh": None,
        "operation": None,
        "live": {"revision": None, "health": "Missing"},
        "next": {"outcome": "Succeeded", "message": "", "health": "Healthy"},
        "due": [[now, "reconcile"]],
        "status": {"sync": {"status": "Unknown"}, "health": {"status": "Missing"}, "operationState": None,
                   "history": [], "reconciledAt": None, "conditions": [], "summary": {}},
    }  # fmt: skip


def shown(app: Json) -> Json:
    metadata: Json = {
        "name": app["name"],
        "namespace": NAMESPACE,
        "uid": app["uid"],
        "labels": app["labels"],
        "creationTimestamp": stamp(app["created"]),
    }
    if app["deleting"] is not None:
        metadata["deletionTimestamp"] = stamp(app["deleting"])
    if app["refresh"] is not None:
        metadata["annotations"] = {"argocd.argoproj.io/refresh": app["refresh"]}
    spec: Json = {
        "project": app["project"],
        "source": source(app),
        "destination": {"server": "https://kubernetes.default.svc", "namespace": f"apim-{app['project']}"},
    }
    if app["automated"]:
        spec["syncPolicy"] = {"automated": {"prune": True, "selfHeal": True}}
    body = {"metadata": metadata, "spec": spec, "status": app["status"]}
    return body if app["operation"] is None else {**body, "operation": app["operation"]}


def source(app: Json) -> Json:
    path = f"tenants/{app['project']}/apis/{app['name'].removeprefix(app['project'] + '-')}"
    return {"repoURL": "https://gitlab.example.com/apis.git", "path": path, "targetRevision": app["target"]}
