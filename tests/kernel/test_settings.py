"""Secrets do not show themselves, and bad settings are refused at the start."""

import pytest

from stoa.kernel.settings import Secret, from_environment


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
