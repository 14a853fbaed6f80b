"""Which faults a run has, and when: a pure function of the seed."""

import random
from dataclasses import dataclass

AT_ONCE = 3
FIRST_AT_S = 2.0
PAUSE_S = (1.0, 2.6)


@dataclass(frozen=True)
class Kind:
    """A way to break something. `part` has at most one fault at a time; `lasts_s` from the least to the longest.

    `around` marks what only exists where search, archive and the like run.
    """

    name: str
    part: str
    lasts_s: tuple[float, float]
    around: bool = False


# AWX is frozen or slow for less than the time in which a launch may still arrive there, see OPTIONS in __main__.py
KINDS = (
    Kind("awx killed", "awx", (0.5, 5.0)),
    Kind("awx stopped", "awx", (0.5, 5.0)),
    Kind("awx frozen", "awx", (1.0, 3.5)),
    Kind("awx slow", "awx", (3.0, 8.0)),
    Kind("awx failing", "awx", (2.0, 8.0)),
    Kind("awx launches, answer cut", "awx", (2.0, 6.0)),
    Kind("awx notices lost", "notices", (4.0, 10.0)),
    Kind("awx notices doubled", "notices", (4.0, 10.0)),
    Kind("awx notices sent again", "notices", (0.0, 0.0)),
    Kind("gateway killed", "gateway", (0.5, 4.0)),
    Kind("gateway frozen", "gateway", (1.0, 4.0)),
    Kind("gateway down", "gateway", (2.0, 8.0)),
    Kind("gateway slow", "gateway", (3.0, 8.0)),
    Kind("gateway failing", "gateway", (2.0, 8.0)),
    Kind("gateway works, answer cut", "gateway", (2.0, 6.0)),
    Kind("gitlab killed", "gitlab", (0.5, 3.0)),
    Kind("gitlab api down", "gitlab", (2.0, 8.0)),
    Kind("gitlab api slow", "gitlab", (3.0, 8.0)),
    Kind("webhooks lost", "webhooks", (3.0, 8.0)),
    Kind("webhooks doubled", "webhooks", (3.0, 8.0)),
    Kind("webhooks held, then backwards", "webhooks", (2.0, 5.0)),
    Kind("webhooks sent again", "webhooks", (0.0, 0.0)),
    Kind("kafka killed", "kafka", (0.5, 5.0)),
    Kind("kafka frozen", "kafka", (1.0, 8.0)),
    Kind("postgresql killed", "postgresql", (0.5, 4.0)),
    Kind("postgresql frozen", "postgresql", (1.0, 5.0)),
    Kind("function processes killed", "functions", (0.0, 0.0)),
    Kind("runner killed", "functions", (0.5, 8.0)),
    Kind("api killed", "functions", (0.3, 3.0)),
    Kind("schedules killed", "functions", (0.5, 5.0)),
    Kind("member added", "members", (7.0, 14.0)),
    Kind("records sent again", "records", (0.0, 0.0)),
    Kind("clocks jump", "clocks", (4.0, 12.0)),
    Kind("opensearch killed", "opensearch", (0.5, 4.0), around=True),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Fault:
    """`at_s` counts from the begin of the load. `draw` decides what the kind leaves open: a process, a status."""

    at_s: float
    kind: Kind
    lasts_s: float
    draw: int

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s


def plan(seed: int, span_s: float, *, around: bool = False) -> tuple[Fault, ...]:
    """Faults that begin and are healed within `span_s`, at most `AT_ONCE` at a time, one per part.

    Kinds are dealt like cards, so that no kind comes a second time before each had its turn.
    """
    rng = random.Random(seed)
    made: list[Fault] = []
    deck: list[Kind] = []
    at_s = FIRST_AT_S
    while at_s < span_s:
        if not deck:
            deck = [kind for kind in KINDS if around or not kind.around]
            rng.shuffle(deck)
        running = [fault for fault in made if fault.ends_s > at_s]
        kind = next((kind for kind in deck if kind.part not in {fault.kind.part for fault in running}), None)
        if kind is not None and len(running) < AT_ONCE:
            fault = Fault(round(at_s, 2), kind, round(rng.uniform(*kind.lasts_s), 2), rng.randrange(2**32))
            deck.remove(kind)
            made += [fault] if fault.ends_s <= span_s else []
        at_s += rng.uniform(*PAUSE_S)
    return tuple(made)
