"""A run as it should be, for tests that tamper with it."""

from typing import Any

from local.chaos.evidence import (
    Answer,
    Commit,
    Evidence,
    Job,
    Memory,
    Notice,
    People,
    Push,
    Request,
    Rollouts,
    Status,
    Told,
)

C1, C2, C3, C4 = (letter * 40 for letter in "abcd")


def request(number: int, api: str, generation: int, commit: str, **fields: Any) -> Request:
    known = {"action": "deploy", "state": "succeeded", "trigger": "gitlab-push", "code": None}
    return Request(
        f"dep-{number}", api, "dev", generation=generation, commit=commit, **{**known, **fields}
    )  # fmt: skip


def job(number: int, of: int, generation: int, api: str = "one", **fields: Any) -> Job:
    """It runs from the hundredfold of its number for fifty seconds."""
    known = {"status": "successful", "started": number * 100, "finished": number * 100 + 50}
    return Job(number, f"dep-{of}", f"tenant-demo/{api}/dev", generation, **{**known, **fields})


NEVER_RAN: dict[str, Any] = {"status": "canceled", "started": None}


def result(of: int, status: str = "success", event: str = "") -> Told:
    return Told(event or f"result-{of}", f"dep-{of}", status)


GOOD = Evidence(
    history=(
        Commit(C1, {"one": "/1"}),
        Commit(C2, {"one": "/2", "two": "/2"}),
        Commit(C3, {"one": "broken /3", "two": None}),
        Commit(C4, {"one": "broken /3", "two": None, "three": "/4"}),
    ),
    acknowledged=(C1, C2, C3, C4),
    delivered=("push-1", "push-2", "push-3", "push-4"),
    pushes=tuple(
        Push(f"push-{number}", sha, "done") for number, sha in enumerate((C1, C2, C3, C4), start=1)
    ),
    requests=(
        request(1, "one", 1, C1),
        request(2, "one", 2, C2, state="superseded"),
        request(3, "one", 3, C2, trigger="api-call"),
        request(4, "one", 4, C3, state="failed", code="SPEC_INVALID"),
        request(5, "two", 1, C2),
        request(6, "two", 2, C3, action="undeploy"),
        request(7, "three", 1, C4, state="failed", code="GATEWAY_UNAVAILABLE"),
        request(8, "three", 2, C4, trigger="retry"),
    ),
    asked=tuple(Told(f"asked-{number}", f"dep-{number}") for number in range(1, 9)),
    results=(
        result(1), result(2, "superseded"), result(3), result(4, "failed"), result(5), result(6),
        result(7, "failed"), result(8),
    ),
    jobs=(
        job(1, 1, 1), job(2, 5, 1, "two"), job(3, 3, 3), job(4, 6, 2, "two"), job(5, 7, 1, "three", status="failed"),
        job(6, 8, 2, "three"),
    ),
    answers=(Answer("key-1", "dep-3"), Answer("key-1", "dep-3")),
    cancelled=frozenset(),
    served={"one": frozenset({"/2"}), "two": frozenset(), "three": frozenset({"/4"})},
    sent={("one", "api-call"): 1},
    faults={"awx killed": 10},
    statuses=(
        Status("one", "dev", "dep-4", "failed", "dep-3"), Status("two", "dev", "dep-6", "success", None),
        Status("three", "dev", "dep-8", "success", "dep-8"),
    ),
    memory=Memory(
        {("audit-log", 0): (3, 6)}, {("audit-log", 0): (3, 4, 5)}, frozenset({"e-1", "e-2"}), ("e-1", "e-2")
    ),
    people=People(
        {"team": frozenset({"failed"}), "mail": frozenset({"superseded"})},
        (
            Notice("told-1", "result-4", "team", "held", 0), Notice("told-2", "result-7", "team", "sent", 2),
            Notice("told-3", "result-2", "mail", "sent", 1, 1),
        ),
    ),
    rollouts=Rollouts({"one": 3, "two": 2}, {"one": (3, "syncing"), "two": (2, "removed")}),
)  # fmt: skip
