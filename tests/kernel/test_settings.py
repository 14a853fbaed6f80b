"""Secrets do not show themselves, and bad settings are refused at the start."""

import pytest

from stoa.kernel.settings import DatabaseLogin, KafkaLogin, Secret, from_environment


def test_a_secret_shows_nothing_and_an_empty_one_is_false() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret!r} {secret} {[secret]}"
    assert (bool(secret), bool(Secret("")), bool(Secret("  "))) == (True, False, False)


def test_settings_without_an_environment_hold_no_usable_secret() -> None:
    made = from_environment({})
    assert not any((made.webhook_secret, made.awx_webhook_secret, made.artefact_token))
    assert made.database_role == "stoa_worker"


def test_origins_are_exact() -> None:
    made = from_environment({"STOA_CORS_ORIGINS": "https://console.example.com, http://localhost:5173,"})
    assert made.cors_origins == {"https://console.example.com", "http://localhost:5173"}
    assert from_environment({}).cors_origins == frozenset()


@pytest.mark.parametrize(
    "wrong", ["*", "https://*.example.com", "https://a.example/", "null", "a.example", "https://A.example"]
)
def test_an_origin_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="STOA_CORS_ORIGINS"):
        from_environment({"STOA_CORS_ORIGINS": f"https://console.example.com,{wrong}"})


def test_a_time_scale_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="TIME_SCALE"):
        from_environment({"STOA_TIME_SCALE": "0"})


def test_a_secret_that_is_kept_elsewhere_is_read_when_it_is_needed_and_each_time() -> None:
    asked: list[str] = []

    def read(name: str) -> str:
        asked.append(name)
        return f"value {len(asked)}"

    made = from_environment({"STOA_AWX_TOKEN_SECRET": "arn:awx", "STOA_GITLAB_TOKEN": "plain"}, read)
    assert asked == []
    assert [made.awx_token.reveal(), made.awx_token.reveal()] == ["value 1", "value 2"]
    assert bool(made.awx_token)
    assert made.gitlab_token.reveal() == "plain"
    assert asked == ["arn:awx"] * 3
    assert "value" not in repr(made)


def test_a_secret_is_in_one_place_and_not_in_two() -> None:
    with pytest.raises(ValueError, match="STOA_AWX_TOKEN"):
        from_environment({"STOA_AWX_TOKEN_SECRET": "arn:awx", "STOA_AWX_TOKEN": ""})


def test_without_a_reader_a_secret_that_is_kept_elsewhere_opens_nothing() -> None:
    with pytest.raises(LookupError, match="arn:awx"):
        bool(from_environment({"STOA_AWX_TOKEN_SECRET": "arn:awx"}).awx_token)


@pytest.mark.parametrize("field", ["STOA_DATABASE_LOGIN", "STOA_KAFKA_LOGIN"])
@pytest.mark.parametrize("wrong", ["", "IAM", "plain"])
def test_a_kind_of_login_that_is_unknown_is_refused(field: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        from_environment({field: wrong})


def test_logins_are_those_of_this_machine_unless_somebody_says_so() -> None:
    made = from_environment({})
    assert (made.database_login, made.kafka_login) == (DatabaseLogin.PASSWORD, KafkaLogin.NONE)
    assert (made.function, made.version) == ("local", "$LATEST")
    on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "stoa-dev-workers-x", "AWS_LAMBDA_FUNCTION_VERSION": "3"}
    assert from_environment({**on_lambda, "STOA_FUNCTION": "outbox_relay"}).function == "outbox_relay"
    assert from_environment(on_lambda).version == "3"
