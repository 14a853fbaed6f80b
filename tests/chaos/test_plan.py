"""The schedule of faults: the same for the same seed, complete over ten seeds, bounded and healed."""

import pytest

from local.chaos.plan import AT_ONCE, KINDS, plan

SPAN_S = 60.0
SEEDS = range(1, 11)


def test_the_same_seed_is_the_same_plan_and_another_one_is_another() -> None:
    assert plan(7, SPAN_S) == plan(7, SPAN_S)
    assert len({plan(seed, SPAN_S) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("around", [False, True])
def test_every_kind_occurs_within_ten_seeds(around: bool) -> None:
    drawn = {fault.kind.name for seed in SEEDS for fault in plan(seed, SPAN_S, around=around)}
    assert drawn == {kind.name for kind in KINDS if around or not kind.around}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_is_healed_in_time_and_few_are_at_once_and_one_per_part(seed: int) -> None:
    made = plan(seed, SPAN_S)
    assert len(made) > 15
    for fault in made:
        assert fault.kind.lasts_s[0] <= fault.lasts_s <= fault.kind.lasts_s[1]
        assert fault.ends_s <= SPAN_S
        running = [other for other in made if other.at_s <= fault.at_s < other.ends_s]
        assert len(running) <= AT_ONCE
        assert len({other.kind.part for other in running}) == len(running)
