"""The demo tenant: a GitLab project with its webhook, secrets in Vault, a working copy, channels for messages."""

from dataclasses import dataclass
from typing import Any

import gitlab
import requests

from local.commands import BACKEND_USER, GATEWAY_USER
from local.stack import Stack
from local.vault import write_secret
from local.workspace import TENANT, Workspace

PROJECT = "demo-apis"
GIT_USER = "developer"
TEAM, MAIL = "team", "mail"
TEAM_ADDRESS = "team@stoa.local"
TIMEOUT_S = 60  # a first start keeps a small machine busy


@dataclass(frozen=True)
class Demo:
    """`workspace` is cloned and ready for `push`."""

    project_id: int
    workspace: Workspace


def seed(stack: Stack) -> Demo:
    """Makes what is missing; safe to call at every start."""
    home = stack.home
    client = gitlab.Gitlab(stack.url("gitlab"), private_token=home.secret("gitlab_token"))
    known = [p for p in client.projects.list(iterator=True) if p.path == PROJECT]
    project = known[0] if known else client.projects.create({"name": PROJECT, "default_branch": "main"})
    _hook(project, f"{stack.url('api')}/webhooks/gitlab", home.secret("webhook_secret"))
    stack.register(project.id, TENANT)
    backend = {"username": BACKEND_USER, "password": home.secret("backend_password")}
    write_secret(stack.openbao.url, stack.openbao.token, f"apim/{TENANT}/dev/orders", backend)
    account = {"username": GATEWAY_USER, "password": home.secret("gateway_password")}
    write_secret(stack.openbao.url, stack.openbao.token, "gateways/dev", account)
    if stack.options.around:
        channels(stack)
    remote = f"{stack.url('gitlab')}/{project.path_with_namespace}.git"
    workspace = Workspace(home.path("workspace") / PROJECT, remote, GIT_USER, home.secret("gitlab_token"))
    if workspace.folder.exists():
        workspace.follow()
    else:
        workspace.clone()
    workspace.keep_password(home.folder / "git-credentials")
    return Demo(project.id, workspace)


def channels(stack: Stack, tenant: str = TENANT) -> None:
    """A Slack channel and one by mail for a tenant, unless a person made them; the webhook has the address of this
    time."""
    made = requests.put(f"{stack.url('people')}/_emulator/webhooks/{tenant}-{TEAM}", json={}, timeout=TIMEOUT_S)
    made.raise_for_status()
    write_secret(stack.openbao.url, stack.openbao.token, f"channels/{tenant}/{TEAM}", {"url": made.json()["url"]})
    wanted = {
        TEAM: {"kind": "slack", "target": f"vault:channels/{tenant}/{TEAM}#url"},
        MAIL: {"kind": "email", "target": TEAM_ADDRESS},
    }
    for name, channel in wanted.items():
        url = f"{stack.url('api')}/v1/tenants/{tenant}/channels/{name}"
        if requests.get(url, auth=stack.admin, timeout=TIMEOUT_S).status_code == 404:
            requests.put(url, json=channel, auth=stack.admin, timeout=TIMEOUT_S).raise_for_status()


def _hook(project: Any, url: str, token: str) -> None:
    """One hook, at the address that the API has this time."""
    wanted = {"url": url, "token": token, "push_events": True}
    hooks = project.hooks.list(get_all=True)
    for stale in hooks[1:]:
        stale.delete()
    if not hooks:
        project.hooks.create(wanted)
    elif hooks[0].url != url:
        project.hooks.update(hooks[0].id, wanted)
