"""Secrets of AWS: read once, followed when they are rotated, kept through an outage, and never empty."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from stoa.adapters.secrets_manager import AGAIN_S, AGE_S, SecretsManager
from stoa.kernel.errors import Transient


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def made(aws: Any, value: str) -> str:
    return str(aws.create_secret(Name="stoa/dev/awx_token", SecretString=value)["ARN"])


def asked(reader: SecretsManager) -> list[str]:
    """What goes out to AWS from now on, by name of the call."""
    calls: list[str] = []
    reader._connected().meta.events.register(
        "before-call.secrets-manager", lambda model, **_: calls.append(str(model.name))
    )
    return calls


def test_a_secret_is_read_once_and_again_when_it_is_old(aws: Any) -> None:
    clock = Clock()
    reader, arn = SecretsManager(clock), made(aws, "first")
    calls = asked(reader)
    assert [reader.read(arn), reader.read(arn)] == ["first", "first"]
    aws.put_secret_value(SecretId=arn, SecretString="second")
    clock.now_s += AGE_S - 1
    assert reader.read(arn) == "first"
    clock.now_s += 1
    assert reader.read(arn) == "second"
    assert calls == ["GetSecretValue", "GetSecretValue"]


def test_a_secret_that_was_read_outlives_an_outage(aws: Any) -> None:
    clock = Clock()
    reader, arn = SecretsManager(clock), made(aws, "first")
    assert reader.read(arn) == "first"
    aws.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    clock.now_s += AGE_S
    calls = asked(reader)
    assert [reader.read(arn), reader.read(arn)] == ["first", "first"]
    clock.now_s += AGAIN_S
    assert reader.read(arn) == "first"
    assert calls == ["GetSecretValue", "GetSecretValue"]


def test_a_secret_that_is_not_there_is_an_alarm_that_names_it_and_no_value(aws: Any) -> None:
    with pytest.raises(Transient, match="ResourceNotFoundException for stoa/dev/nothing") as caught:
        SecretsManager().read("stoa/dev/nothing")
    assert caught.value.alarm


def test_a_secret_without_text_is_refused(aws: Any) -> None:
    arn = made(aws, "  ")
    with pytest.raises(Transient, match="holds no text") as caught:
        SecretsManager().read(arn)
    assert caught.value.alarm


def test_nobody_at_the_other_end_is_an_outage_and_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9")
    with pytest.raises(Transient, match="EndpointConnectionError") as caught:
        SecretsManager().read("stoa/dev/awx_token")
    assert not caught.value.alarm
