"""AWS Secrets Manager: secrets by their ARN, each read when it is first needed.

A secret that was rotated is read within AGE_S. One that was read once outlives an outage of Secrets Manager.
"""

import time
from collections.abc import Callable
from typing import Any

from stoa.kernel.errors import Transient
from stoa.kernel.log import log

AGE_S = 300.0
AGAIN_S = 30.0  # after a failed refresh
CONNECT_S, READ_S = 2, 5
# what a person must repair
ALARMS = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidRequestException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)


class SecretsManager:
    """`now` is in seconds of the day's clock: a monotonic one may stand still while a snapshot of Lambda sleeps."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._client: Any = None
        self._read: dict[str, tuple[str, float]] = {}  # the value, and until when it is believed

    def read(self, arn: str) -> str:
        """The current value, at most AGE_S old. Raises Transient when it was never read and cannot be."""
        value, until = self._read.get(arn, ("", 0.0))
        if self._now() < until:
            return value
        try:
            found, fresh_s = self._asked(arn), AGE_S
        except Transient as error:
            if arn not in self._read:
                raise
            log.warning("secret.kept", detail=error.detail, secret=arn)
            found, fresh_s = value, AGAIN_S
        self._read[arn] = found, self._now() + fresh_s
        return found

    def _asked(self, arn: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415  see _connected

        try:
            answer = self._connected().get_secret_value(SecretId=arn)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            raise Transient("secrets-manager", f"{code} for {arn}", alarm=code in ALARMS) from error
        except BotoCoreError as error:
            alarm = isinstance(error, NoCredentialsError)
            raise Transient("secrets-manager", f"{type(error).__name__} for {arn}", alarm=alarm) from error
        value = answer.get("SecretString", "")
        if not value.strip():
            raise Transient("secrets-manager", f"{arn} holds no text", alarm=True)
        return str(value)

    def _connected(self) -> Any:
        if self._client is None:
            import boto3  # noqa: PLC0415  270 ms with its client, and not on this machine
            from botocore.config import Config  # noqa: PLC0415

            retries = {"mode": "standard", "total_max_attempts": 2}
            config = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries=retries)
            self._client = boto3.client("secretsmanager", config=config)
        return self._client
