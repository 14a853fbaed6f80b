"""The environment, read once. Nothing else in stoa reads environment variables."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache, partial
from typing import Any

ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?")


class Secret:
    """A value that never shows itself in a repr, a log line or a traceback. One that is kept elsewhere is given as the
    function that reads it, which is asked each time; both methods then raise what it raises."""

    __slots__ = ("_read",)

    def __init__(self, value: str | Callable[[], str]) -> None:
        self._read: Callable[[], str] = partial(str, value) if isinstance(value, str) else value

    def reveal(self) -> str:
        return self._read()

    def __bool__(self) -> bool:
        return bool(self._read().strip())

    def __repr__(self) -> str:
        return "Secret('***')"


class DatabaseLogin(StrEnum):
    """`iam`: STOA_DATABASE_URL holds no password; an RDS proxy takes a token of the function's role instead."""

    PASSWORD = "password"  # noqa: S105  a kind of login
    IAM = "iam"


class KafkaLogin(StrEnum):
    """`scram`: TLS with the CA of `kafka_ca`, SCRAM-SHA-512 with `kafka_credentials`."""

    NONE = "none"
    SCRAM = "scram"


class SmtpTls(StrEnum):
    """`offered`: STARTTLS where the server has it; `required`: no mail without it."""

    REQUIRED = "required"
    OFFERED = "offered"


class Origins(frozenset[str]):
    """Origins as a browser sends them, from a list with commas: no path, no wildcard. Raises ValueError."""

    def __new__(cls, text: str) -> "Origins":
        given = [part.strip() for part in text.split(",") if part.strip()]
        for origin in given:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"STOA_CORS_ORIGINS: {origin} is no origin, such as https://console.example.com")
        return super().__new__(cls, given)


@dataclass(frozen=True)
class Settings:
    """One field per environment variable `STOA_<FIELD>`. Durations are in seconds of real time.

    A Secret is kept elsewhere where `STOA_<FIELD>_SECRET` says so, by its name there.
    `database_role` is empty where the login is the role, with the session's settings in its own (kernel/database.py).
    `kafka_credentials` is JSON with username and password, `kafka_ca` JSON with a PEM certificate: what Lambda's
    event source mapping reads as well.
    `launch_may_arrive_s` must be longer than `awx_timeout_s`: see deployments/flows.py.
    `awx_token` and `gitlab_token` are tokens, or `vault:mount/path#key`, where `systems_vault_token` reads them; each
    `..vault_token` is a token, or `approle:<role id>:<secret id>`, with which one is got.
    `edge_secret` is JSON, by whatever names, of what requests carry that came through the edge in front of the API: one
    text, or two while they change. Empty where there is no edge, as on this machine.
    `oidc_issuer_url` is the exact `iss` of tokens, `oidc_keys_url` where its keys are when not there; `oidc_clients`
    are the clients, with blanks between, whose tokens are taken.
    `keycloak_url` is the realm where its users are administered, .../realms/stoa.
    `cors_origins` may read our answers in a browser; a tenant, and each user, has `..._burst` requests at once and
    `..._requests_per_s` for ever.
    `nearby_backends` are the hosts, with blanks between, that an API's backend may have although they are loopback or
    link-local: where the gateway and its backends share a machine.
    `gateway_direct` are the environments, with blanks between, whose gateway is administered past its published API.
    `slack_url` is where webhooks may be; `s3_endpoint` is empty on AWS; with an empty `smtp_host` mail goes by SES.
    `stage` keeps apart what is counted in stages that share an account.
    `time_scale` > 1 makes every wait that much shorter (a two-hour outage takes seconds in a test).
    """

    database_url: Secret
    database_login: DatabaseLogin
    database_role: str
    kafka_bootstrap: str
    kafka_login: KafkaLogin
    kafka_credentials: Secret
    kafka_ca: Secret
    gitlab_url: str
    gitlab_token: Secret
    awx_url: str
    awx_token: Secret
    vault_url: str
    vault_token: Secret
    systems_vault_token: Secret
    public_url: str
    edge_secret: Secret
    webhook_secret: Secret
    webhook_signing_secret: Secret
    awx_webhook_secret: Secret
    oidc_issuer_url: str
    oidc_keys_url: str
    oidc_audience: str
    oidc_clients: str
    keycloak_url: str
    keycloak_client_secret: Secret
    artefact_token: Secret
    channels_vault_token: Secret
    argocd_url: str
    argocd_token: Secret
    opensearch_url: str
    opensearch_user: str
    opensearch_password: Secret
    gateway_dev_url: str
    gateway_staging_url: str
    gateway_prod_url: str
    gateway_direct: str
    nearby_backends: str
    gateways_vault_token: Secret
    archive_bucket: str
    audit_signing_key: Secret
    s3_endpoint: str
    slack_url: str
    smtp_host: str
    smtp_port: int
    smtp_tls: SmtpTls
    mail_from: str
    time_scale: float
    awx_timeout_s: float
    launch_may_arrive_s: float
    cors_origins: Origins
    tenant_requests_per_s: float
    tenant_burst: int
    user_requests_per_s: float
    user_burst: int
    function: str
    stage: str
    version: str

    def scaled(self, seconds: float) -> float:
        return seconds / self.time_scale


DEFAULTS = {
    "database_login": "password",
    "database_role": "stoa_worker",
    "kafka_login": "none",
    "oidc_audience": "control-plane-api",
    "oidc_clients": "control-plane-ui stoa-portal stoa-operator awx-automation api-gateway",
    "slack_url": "https://hooks.slack.com",
    "smtp_port": "25",
    "smtp_tls": "required",
    "time_scale": "1",
    "awx_timeout_s": "10",
    "launch_may_arrive_s": "30",
    "tenant_requests_per_s": "100",
    "tenant_burst": "400",
    "user_requests_per_s": "20",
    "user_burst": "100",
    "function": "local",
    "stage": "local",
    "version": "$LATEST",
}
# what Lambda itself says, where nobody says it better: a function's name there begins with its stack's
OF_LAMBDA = {"function": "AWS_LAMBDA_FUNCTION_NAME", "version": "AWS_LAMBDA_FUNCTION_VERSION"}

ReadSecret = Callable[[str], str]


def unreadable(name: str) -> str:
    raise LookupError(f"nobody here reads the secret {name}")


def from_environment(environment: Mapping[str, str], read_secret: ReadSecret = unreadable) -> Settings:
    """`read_secret` is asked, by name, for secrets that are kept elsewhere, when they are needed. Raises ValueError
    when a number is none, or not above 0, for an unknown value, and for a secret that is given twice."""
    found: dict[str, Any] = {}
    for field in fields(Settings):
        variable = f"STOA_{field.name.upper()}"
        kept = environment.get(f"{variable}_SECRET", "").strip() if field.type is Secret else ""
        if kept and variable in environment:
            raise ValueError(f"{variable} and {variable}_SECRET are two answers to one question")
        if kept:
            found[field.name] = Secret(partial(read_secret, kept))
            continue
        default = environment.get(OF_LAMBDA.get(field.name, ""), DEFAULTS.get(field.name, ""))
        text = environment.get(variable, default).strip()
        found[field.name] = _read(variable, text.rstrip("/") if field.name.endswith("_url") else text, field.type)
    return Settings(**found)


def _read(variable: str, text: str, kind: Any) -> Any:
    if kind not in (int, float):
        return kind(text)
    try:
        number = kind(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise ValueError(f"{variable} is a number above 0")
    return number


@cache
def settings(read_secret: ReadSecret = unreadable) -> Settings:
    """The settings of this process; who reveals no secret needs nobody who reads them."""
    return from_environment(os.environ, read_secret)


def starts_on_demand() -> bool:
    """Whether somebody waits while this process starts, as nobody does for a snapshot of SnapStart.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    return os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand") == "on-demand"
