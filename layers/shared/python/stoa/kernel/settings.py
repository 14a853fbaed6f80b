"""The environment, read once. Nothing else in stoa reads environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


class Secret:
    """A value that never shows itself in a repr, a log line or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value.strip())

    def __repr__(self) -> str:
        return "Secret('***')"


@dataclass(frozen=True)
class Settings:
    """One field per environment variable `STOA_<FIELD>`. Durations are in seconds of real time.

    `launch_may_arrive_s` must be longer than `awx_timeout_s`: see deployments/flows.py.
    `s3_endpoint` is empty on AWS; with an empty `smtp_host` mail goes by SES.
    `time_scale` > 1 makes every wait that much shorter (a two-hour outage takes seconds in a test).
    """

    database_url: Secret
    database_role: str
    kafka_bootstrap: str
    gitlab_url: str
    gitlab_token: Secret
    awx_url: str
    awx_token: Secret
    vault_url: str
    vault_token: Secret
    public_url: str
    webhook_secret: Secret
    webhook_signing_secret: Secret
    awx_webhook_secret: Secret
    dev_token: Secret
    artefact_token: Secret
    channels_vault_token: Secret
    argocd_url: str
    argocd_token: Secret
    opensearch_url: str
    opensearch_user: str
    opensearch_password: Secret
    archive_bucket: str
    s3_endpoint: str
    smtp_host: str
    smtp_port: int
    mail_from: str
    time_scale: float
    awx_timeout_s: float
    launch_may_arrive_s: float
    function: str
    version: str

    def scaled(self, seconds: float) -> float:
        return seconds / self.time_scale


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises ValueError when a variable that has no default is absent or unusable."""

    def text(name: str, default: str = "") -> str:
        return environment.get(f"STOA_{name}", default).strip()

    scale = float(text("TIME_SCALE", "1"))
    if scale <= 0:
        raise ValueError("STOA_TIME_SCALE is a number above 0")
    return Settings(
        database_url=Secret(text("DATABASE_URL")),
        database_role=text("DATABASE_ROLE", "stoa_worker"),
        kafka_bootstrap=text("KAFKA_BOOTSTRAP"),
        gitlab_url=text("GITLAB_URL"),
        gitlab_token=Secret(text("GITLAB_TOKEN")),
        awx_url=text("AWX_URL"),
        awx_token=Secret(text("AWX_TOKEN")),
        vault_url=text("VAULT_URL"),
        vault_token=Secret(text("VAULT_TOKEN")),
        public_url=text("PUBLIC_URL").rstrip("/"),
        webhook_secret=Secret(text("WEBHOOK_SECRET")),
        webhook_signing_secret=Secret(text("WEBHOOK_SIGNING_SECRET")),
        awx_webhook_secret=Secret(text("AWX_WEBHOOK_SECRET")),
        dev_token=Secret(text("DEV_TOKEN")),
        artefact_token=Secret(text("ARTEFACT_TOKEN")),
        channels_vault_token=Secret(text("CHANNELS_VAULT_TOKEN")),
        argocd_url=text("ARGOCD_URL").rstrip("/"),
        argocd_token=Secret(text("ARGOCD_TOKEN")),
        opensearch_url=text("OPENSEARCH_URL").rstrip("/"),
        opensearch_user=text("OPENSEARCH_USER"),
        opensearch_password=Secret(text("OPENSEARCH_PASSWORD")),
        archive_bucket=text("ARCHIVE_BUCKET"),
        s3_endpoint=text("S3_ENDPOINT"),
        smtp_host=text("SMTP_HOST"),
        smtp_port=int(text("SMTP_PORT", "25")),
        mail_from=text("MAIL_FROM"),
        time_scale=scale,
        awx_timeout_s=float(text("AWX_TIMEOUT_S", "10")),
        launch_may_arrive_s=float(text("LAUNCH_MAY_ARRIVE_S", "30")),
        function=environment.get("AWS_LAMBDA_FUNCTION_NAME", "local"),
        version=environment.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    )


@cache
def settings() -> Settings:
    """The settings of this process."""
    return from_environment(os.environ)
