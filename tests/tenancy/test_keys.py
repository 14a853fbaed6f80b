"""The issuer's keys while it turns them, fails, and stays away; the time is ours to choose."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.issuer import AUDIENCE, CLIENT, Issuer, issuing
from stoa.adapters import oidc
from stoa.adapters.oidc import COOL_DOWN_S, FRESH_S, OLDEST_S, Keys
from stoa.kernel.errors import Refused, Transient


class Clock:
    def __init__(self) -> None:
        self.now, self.wall = 1000.0, time.time()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(oidc, "time", made)
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


@dataclass
class Desk:
    """`verified` counts signatures that were checked."""

    issuer: Issuer
    clock: Clock
    verified: int = 0

    def __post_init__(self) -> None:
        self.ours = oidc.Issuer(self.issuer.url, self.issuer.url, AUDIENCE, frozenset({CLIENT}))

    def ask(self, token: str) -> str:
        """Who it is, or why it is refused."""
        try:
            return str(self.ours.claims(token)["sub"])
        except Refused as error:
            return error.detail.removeprefix("the token is refused: ")


@pytest.fixture
def desk(issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(issuer, clock)
    decode = jwt.decode

    def counted(*given: Any, **named: Any) -> Any:
        made.verified += 1
        return decode(*given, **named)

    monkeypatch.setattr(jwt, "decode", counted)
    return made


def test_a_token_is_verified_once_a_minute_and_no_other_in_its_place(desk: Desk) -> None:
    mine, other = desk.issuer.token("viewer", sub="ann"), desk.issuer.token("viewer", sub="bob")
    assert [desk.ask(token) for token in (mine, other, mine, other)] == ["ann", "bob", "ann", "bob"]
    assert desk.verified == 2
    altered = mine.rpartition(".")[0] + other[other.rindex(".") :]
    assert desk.ask(altered) == "its signature is wrong"
    desk.clock.wall += oidc.KEPT_S
    assert (desk.ask(mine), desk.verified) == ("ann", 4)
    desk.clock.wall -= 2 * oidc.KEPT_S  # set back: what was checked is to come
    assert (desk.ask(mine), desk.verified) == ("ann", 5)


def test_a_token_that_was_verified_is_verified_anew_when_its_time_has_passed(desk: Desk) -> None:
    """Which then refuses it, by the clock of the day: tests/functions/test_tokens.py."""
    lives_s = 20
    assert lives_s < oidc.KEPT_S
    token = desk.issuer.token("viewer", sub="ann", exp=int(desk.clock.wall) - oidc.LEEWAY_S + lives_s)
    desk.clock.wall = int(desk.clock.wall) + lives_s - 1
    assert [desk.ask(token), desk.ask(token), desk.verified] == ["ann", "ann", 1]
    desk.clock.wall += 1
    assert (desk.ask(token), desk.verified) == ("ann", 2)


def test_a_token_whose_key_was_withdrawn_or_changed_is_refused_though_it_was_verified(desk: Desk) -> None:
    first = desk.issuer.token("viewer", sub="ann")
    assert desk.ask(first) == "ann"
    desk.issuer.key = rsa.generate_private_key(65537, 2048)
    desk.clock.now += FRESH_S + 1
    assert desk.ask(first) == "its signature is wrong"
    second = desk.issuer.token("viewer", sub="ann")
    assert desk.ask(second) == "ann"
    desk.issuer.kid = "two"
    desk.clock.now += FRESH_S + 1
    assert desk.ask(second) == "its key is not one of the issuer's"


def test_a_token_that_was_verified_is_not_believed_by_keys_that_are_too_old(desk: Desk) -> None:
    token = desk.issuer.token("viewer", sub="ann")
    assert desk.ask(token) == "ann"
    desk.issuer.away = True
    desk.clock.now += OLDEST_S + 1
    with pytest.raises(Transient):
        desk.ask(token)


def test_tokens_are_forgotten_before_they_fill_the_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "KEPT", 2)
    tokens = [desk.issuer.token("viewer", sub=str(number)) for number in range(3)]
    assert [desk.ask(token) for token in [*tokens, tokens[2], tokens[1]]] == ["0", "1", "2", "2", "1"]
    assert desk.verified == 3
    assert (desk.ask(tokens[0]), desk.verified) == ("0", 4)
