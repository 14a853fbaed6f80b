"""What hides no failure: people who end too early, a run of which nothing follows, a folder that nobody needs."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from local.chaos.__main__ import in_a_folder
from local.chaos.checker import Verdict, Violation, judge
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


@pytest.mark.parametrize("violations", [(), (Violation("lost", "all of it"),)])
def test_a_folder_stays_where_a_violation_needs_its_logs(
    violations: tuple[Violation, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_folder(lambda _: replace(GOOD_RUN, violations=violations), tmp_path)
    said = [f"what the run left is in {folder}" for folder in tmp_path.iterdir()]
    assert len(said) == len(violations)
    assert capsys.readouterr().out.splitlines()[1:] == said


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_folder_of_a_run_that_was_ended_does_not_stay(error: type[BaseException], tmp_path: Path) -> None:
    def work(folder: Path) -> Verdict:
        (folder / "log").touch()
        raise error

    with pytest.raises(error):
        in_a_folder(work, tmp_path)
    assert not list(tmp_path.iterdir())
