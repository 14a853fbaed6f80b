"""`make chaos SEED=n`: a bounded run under load while parts break; the last line is one JSON object."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from local.chaos import checker
from local.chaos.collect import collect
from local.chaos.drain import LIMIT_S, drain
from local.chaos.faults import hooks_rest_shortly
from local.chaos.load import Hands, Notes, Pushes, at_work
from local.chaos.plan import plan
from local.chaos.storm import Storm
from local.home import Home
from local.parts.process import ended_in_order
from local.runtime import clock_shift
from local.seed import Demo, seed
from local.stack import Options, Stack

SPAN_S = 65.0
WARM_S = 60.0
# more would make two cores busy with trying again
SCALE = 60.0
# AWX: the product's own ratio, a launch may arrive for three times as long as its client waits for an answer
AWX_TIMEOUT_S = 2
LAUNCH_MAY_ARRIVE_S = 6


class Run:
    """One run in a folder of its own."""

    def __init__(self, number: int, folder: Path, *, around: bool) -> None:
        self.seed = number
        self._begun = time.monotonic()
        self._around = around
        clocks = folder / "clocks.json"
        options = Options(
            executor="direct",
            slots=4,
            api_workers=2,
            time_scale=SCALE,
            activation_ms=5,
            import_ms=5,
            around=around,
            environment={
                "STOA_AWX_TIMEOUT_S": str(AWX_TIMEOUT_S),
                "STOA_LAUNCH_MAY_ARRIVE_S": str(LAUNCH_MAY_ARRIVE_S),
                clock_shift.FILE: str(clocks),
            },
        )
        self._stack = Stack(Home(folder), options, lambda what, _begun: self._say(what))

    def run(self) -> checker.Verdict:
        try:
            self._stack.start()
            demo = seed(self._stack)
            hooks_rest_shortly(self._stack)
            notes, faults = Notes(), Counter[str]()
            pushes = Pushes(demo.workspace, self._stack.url("backend"), self.seed, notes)
            hands = Hands(self._stack.url("api"), self._stack.admin, self.seed, notes)
            pushes.first()
            left = self._rest(notes, WARM_S)
            if not left:  # all is warm, and there is something to repeat
                faults = self._storm(pushes, hands)
                self._say(
                    f"{len(notes.acknowledged)} pushes, {len(notes.answers)} answers by hand, {notes.refused} refused"
                )
                left = self._rest(notes, LIMIT_S)
            return self._judged(demo, notes, faults, left)
        finally:
            self._stack.stop()

    def _storm(self, pushes: Pushes, hands: Hands) -> Counter[str]:
        storm = Storm(self._stack, plan(self.seed, SPAN_S, around=self._around), self._say)
        with at_work((pushes.run, hands.run)):
            storm.run(time.monotonic())
        pushes.last()
        return storm.done

    def _rest(self, notes: Notes, limit_s: float) -> list[str]:
        left = drain(self._stack, notes.acknowledged[-1], self._say, limit_s)
        self._say("not everything came to rest" if left else "everything came to rest")
        return left

    def _judged(self, demo: Demo, notes: Notes, faults: Counter[str], left: Sequence[str]) -> checker.Verdict:
        seen = collect(self._stack, demo.workspace, notes, faults, left)
        ends = Counter(" ".join(filter(None, (request.state, request.code))) for request in seen.requests)
        self._say(f"{len(seen.history)} commits, {len(seen.pushes)} pushes known, {len(seen.jobs)} jobs; {dict(ends)}")
        verdict = checker.judge(seen)
        for violation in verdict.violations:
            self._say(f"{violation.sin.upper()}: {violation.said}")
        for little in verdict.little:
            self._say(f"PROVES NOTHING: {little}")
        width = max(map(len, faults), default=0)
        for name, times in sorted(faults.items()):
            print(f"  {name:{width}}  {times}")
        return verdict

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._begun:6.1f} s  {what}", flush=True)


def in_a_folder(work: Callable[[Path], checker.Verdict], parent: Path) -> checker.Verdict:
    """What the work leaves stays only where a violation needs its logs."""
    folder = Path(tempfile.mkdtemp(prefix="stoa-chaos-", dir=parent))
    folder.chmod(0o755)
    print(f"in {folder}", flush=True)
    keep = False
    try:
        with ended_in_order():
            verdict = work(folder)
        keep = bool(verdict.violations)
        return verdict
    finally:
        if keep:
            print(f"what the run left is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m local.chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--around", action=argparse.BooleanOptionalAction, default=True,
        help="with archive, search, notifications and Argo CD",
    )  # fmt: skip
    chosen = options.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    parent = Path("/var/tmp")  # noqa: S108  the folder in it gets a name that nobody knows before
    verdict = in_a_folder(lambda folder: Run(chosen.seed, folder, around=chosen.around).run(), parent)
    sins = {name: verdict.count(name) for name in ("lost", "doubled", "misordered")}
    counts = {"accepted": verdict.accepted, "done": verdict.done, **sins, "refused": verdict.refused}
    print(json.dumps({**counts, "seed": chosen.seed}))
    return 0 if verdict.proves else 1


if __name__ == "__main__":
    sys.exit(main())
