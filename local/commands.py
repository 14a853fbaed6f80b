"""How each part that is a program of its own is started, and which secrets it gets: never in a command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import osmem_server

from local import identity
from local.home import ROOT

if TYPE_CHECKING:
    from local.stack import Stack

GATEWAY_USER = "Administrator"
AWX_USER = "admin"
BACKEND_USER = "stoa"


def command(name: str, stack: Stack) -> list[str]:
    """The command line of the part with that name."""
    number, options = str(stack.ports[name]), stack.options
    if name == "opensearch":
        return search_server(stack.ports[name])
    if name == "s3":
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", number]
    port = ["--port", number]
    state = ["--state", str(stack.home.path(name))]
    timing = ["--activation-ms", str(options.activation_ms), "--import-ms", str(options.import_ms)]
    repositories = ["--repositories", str(stack.home.path("gitlab") / "repositories")]
    realm = ["--realm", str(identity.REALM), "--users", str(identity.USERS)]
    runs = ["--playbooks", str(ROOT / "playbooks"), "--executor", options.executor, "--slots", str(options.slots)]
    modules = {
        "gateway": ["local.emulators.webmethods", *port, *state, *timing],
        "gitlab": ["local.emulators.gitlab", *port, *state],
        "awx": ["local.emulators.awx", *port, *state, *runs],
        "argocd": ["local.emulators.argocd", *port, *state, *repositories],
        "identity": ["local.emulators.keycloak", *port, *state, *realm],
        "people": ["local.emulators.people", *port, "--smtp-port", str(stack.ports["smtp"]), *state],
        "backend": ["local.backend", *port],
    }
    return [sys.executable, "-m", *modules[name]]


def search_server(port: int) -> list[str]:
    """It keeps nothing. -no-ja: its Japanese dictionary costs the first document seconds."""
    return [str(osmem_server.resolve_binary()), "-addr", f"127.0.0.1:{port}", "-no-stdin-watch", "-no-ja"]


def secrets(name: str, stack: Stack) -> dict[str, str]:
    """What the part finds in its environment beside ours."""
    secret = stack.home.secret
    known = {
        "gateway": {"GATEWAY_USER": GATEWAY_USER, "GATEWAY_PASSWORD": secret("gateway_password")},
        "gitlab": {"GITLAB_TOKEN": secret("gitlab_token")},
        "backend": {"BACKEND_USER": BACKEND_USER, "BACKEND_PASSWORD": secret("backend_password")},
        "argocd": {"ARGOCD_TOKEN": secret("argocd_token")},
        "identity": identity.environment(stack.url, secret),
    }
    return _awx(stack) if name == "awx" else known.get(name, {})


def _awx(stack: Stack) -> dict[str, str]:
    secret = stack.home.secret
    credential = {
        "STOA_ENVIRONMENT": "dev",
        "GATEWAY_URL": stack.url("gateway"),
        "GATEWAY_USER": GATEWAY_USER,
        "GATEWAY_PASSWORD": secret("gateway_password"),
        "STOA_ARTEFACT_TOKEN": secret("artefact_token"),
        "VAULT_ADDR": stack.openbao.url,
        "VAULT_TOKEN": stack.vault_tokens["awx"],
    }
    return {
        "AWX_TOKEN": secret("awx_token"),
        "AWX_USER": AWX_USER,
        "AWX_PASSWORD": secret("awx_password"),
        "AWX_NOTIFICATION_URL": f"{stack.url('api')}/webhooks/awx/job-complete",
        "AWX_NOTIFICATION_TOKEN": secret("awx_webhook_secret"),
        **{f"AWX_CREDENTIAL_{key}": value for key, value in credential.items()},
    }
