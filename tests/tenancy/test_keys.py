"""The issuer's keys while it turns them, fails, and stays away; the time is ours to choose."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from local.issuer import Issuer, issuing
from stoa.adapters import oidc
from stoa.adapters.oidc import COOL_DOWN_S, FRESH_S, OLDEST_S, Keys
from stoa.kernel.errors import Transient


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(oidc, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def test_a_new_key_is_found_after_the_cool_down_and_a_withdrawn_one_is_believed_while_keys_are_fresh(
    issuer: Issuer, clock: Clock
) -> None:
    keys = Keys(issuer.url)
    assert keys.of("one") is not None
    issuer.kid = "two"
    clock.now += COOL_DOWN_S
    assert keys.of("two") is None
    assert issuer.fetches == 1
    assert keys.of("one") is not None
    clock.now += 1
    assert keys.of("two") is not None
    assert keys.of("one") is None
    issuer.kid = "three"
    clock.now += FRESH_S
    assert keys.of("two") is not None
    clock.now += 1
    assert keys.of("two") is None


def test_keys_are_used_while_the_issuer_is_away_for_a_time_and_not_for_ever(issuer: Issuer, clock: Clock) -> None:
    keys = Keys(issuer.url)
    assert keys.of("one") is not None
    issuer.away = True
    clock.now += OLDEST_S
    assert keys.of("one") is not None
    clock.now += 1
    with pytest.raises(Transient):
        keys.of("one")
    issuer.away = False
    clock.now += COOL_DOWN_S
    assert keys.of("one") is not None


def test_without_any_key_nothing_is_believed(issuer: Issuer) -> None:
    issuer.away = True
    with pytest.raises(Transient):
        Keys(issuer.url).of("one")
