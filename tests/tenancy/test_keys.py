"""The issuer's keys while it turns them, fails, and stays away; its time is ours to choose."""

import time
from collections.abc import Iterator

import pytest

from stoa.adapters import oidc
from stoa.adapters.oidc import Keys
from stoa.kernel.errors import Transient
from tests.issuer import Issuer, issuing


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of minutes as hundredths of a second."""
    for name, seconds in {"FRESH_S": 0.2, "COOL_DOWN_S": 0.05, "OLDEST_S": 0.6}.items():
        monkeypatch.setattr(oidc, name, seconds)


def found(keys: Keys, kid: str, within_s: float = 2.0) -> bool:

    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if keys.of(kid) is not None:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.usefixtures("hurried")
def test_a_new_key_is_found_and_a_withdrawn_one_is_believed_no_longer_than_keys_stay_fresh(issuer: Issuer) -> None:
    keys = Keys(issuer.url)
    assert found(keys, "one")
    issuer.kid = "two"
    assert found(keys, "two")
    assert keys.of("one") is None


@pytest.mark.usefixtures("hurried")
def test_keys_are_used_while_the_issuer_is_away_for_a_time_and_not_for_ever(issuer: Issuer) -> None:

    keys = Keys(issuer.url)
    assert found(keys, "one")
    issuer.away = True
    time.sleep(0.3)
    assert keys.of("one") is not None
    time.sleep(0.4)
    with pytest.raises(Transient):
        keys.of("one")
    issuer.away = False
    time.sleep(0.1)
    assert found(keys, "one")


def test_without_any_key_nothing_is_believed(issuer: Issuer) -> None:
    issuer.away = True
    with pytest.raises(Transient):
        Keys(issuer.url).of("one")
