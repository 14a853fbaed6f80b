"""What hides no failure: people who end too early, a run of which nothing follows."""

import threading
from dataclasses import replace

import pytest

from local.chaos.checker import Verdict, judge
from local.chaos.evidence import Answer, Told
from local.chaos.load import at_work
from tests.chaos.good_run import GOOD

GOOD_RUN = Verdict(100, 100, 0, (), ())


def test_people_work_until_the_block_ends() -> None:
    ended = []

    def person(stopping: threading.Event) -> None:
        ended.append(stopping.wait(10))

    with at_work((person, person)):
        assert not ended
    assert ended == [True, True]


def test_what_ended_one_of_the_people_is_raised_and_the_others_stop() -> None:
    def dies(_: threading.Event) -> None:
        raise KeyError("id")

    stopped = []
    with pytest.raises(KeyError), at_work((dies, lambda stopping: stopped.append(stopping.wait(10)))):
        pass
    assert stopped == [True]


def test_a_run_with_too_little_of_anything_proves_nothing() -> None:
    accepted = tuple(Told(f"told-{number}", f"dep-{number}") for number in range(50))
    by_hand = tuple(Answer(f"key-{number}", f"dep-{number}") for number in range(5))
    enough = replace(GOOD, asked=accepted, answers=by_hand)
    assert judge(enough).little == ()
    little = replace(enough, asked=accepted[:49], answers=(*by_hand[:4], by_hand[0]), faults={})
    assert judge(little).little == (
        "49 accepted requests, and it takes 50", "4 by hand, and it takes 5", "0 faults, and it takes 10",
    )  # fmt: skip
    assert GOOD_RUN.proves
    assert not replace(GOOD_RUN, little=("0 faults",)).proves
