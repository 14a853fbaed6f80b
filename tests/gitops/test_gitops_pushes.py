"""Pushes in any order of delivery, lost ones, and starts by hand, against a real database and the GitLab emulator."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoa.gitops import store
from stoa.gitops.flows import LOOK_MS, GitOps
from stoa.gitops.queries import PushQueries
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret
from tests.gitops.desk import ORDERS, REF, ZEROS, Desk, History, Server, message


@pytest.fixture
def desk(database: Database, server: Server) -> Desk:
    return Desk(database, server)


def undelivered(desk: Desk, server: Server) -> list[History]:
    """A commit in the desk's project and in two others, which are returned; nobody was told of them."""
    desk.history.at = desk.history.commit(None)
    others = [History(server) for _ in range(2)]
    for other in others:
        other.at = other.commit(None)
        desk.register(other.project)
    return others


def caught_up(desk: Desk) -> set[int]:
    return {push["project_id"] for push in PushQueries(desk.gitops.database).recent(None, None, 10)}


def test_one_project_stops_no_other_from_being_caught_up(desk: Desk, server: Server) -> None:
    others = undelivered(desk, server)
    server.fault(mode="fail", status=403, path=f"/projects/{desk.project}$")
    with pytest.raises(Transient) as caught:
        desk.gitops.catch_up()
    assert caught.value.alarm
    assert caught_up(desk) == {other.project for other in others}
    server.fault(mode="fail", status=400, path=f"/projects/{desk.project}$")
    others[1].at = others[1].commit(None)
    assert desk.gitops.catch_up() == 1, "one that is refused is logged, and counts as nothing found"
    server.fault(mode="ok")
    assert desk.gitops.catch_up() == 1


def test_a_tick_begins_no_project_that_its_function_could_not_end(desk: Desk, server: Server) -> None:
    """And each has its turn: they are looked at in another order each time."""
    others = undelivered(desk, server)
    left = [LOOK_MS, LOOK_MS - 1] * 200
    assert (desk.gitops.catch_up(lambda: left.pop(0)), len(caught_up(desk))) == (1, 1)
    while len(caught_up(desk)) < 3 and left:
        desk.gitops.catch_up(lambda: left.pop(0))
    assert caught_up(desk) == {desk.project, *(other.project for other in others)}


def test_a_refused_push_is_not_caught_up_before_the_branch_moves(desk: Desk) -> None:
    desk.history.at = desk.history.commit(None)
    desk.deliver(ZEROS, desk.history.at)
    (push,) = PushQueries(desk.gitops.database).recent(None, None, 1)
    assert desk.gitops.catch_up() == 0, "it is still to be processed"
    desk.gitops.give_up(message(push["id"]), Refused("GITLAB_REFUSED", "answered 400"))
    assert desk.gitops.catch_up() == 0


def test_a_lost_first_push_is_made_up_for_by_the_second(desk: Desk) -> None:
    first = desk.history.commit(None)
    desk.history.at = second = desk.history.commit(first)
    desk.deliver(first, second)
    desk.work()
    desk.deliver(ZEROS, first)
    desk.work()
    assert (desk.asked, desk.head) == ([second], second)


def test_a_changed_default_branch_is_followed_there_and_back(desk: Desk) -> None:
    desk.history.at = main = desk.history.commit(None)
    desk.gitops.catch_up()
    desk.work()
    desk.history.switch("release")
    assert desk.gitops.catch_up() == 1, "the same commit, but what is pushed to main counts no more"
    desk.work()
    assert desk.asked == [main], "nothing is deployed twice"
    desk.deliver(main, desk.history.commit(main))
    desk.work()
    assert PushQueries(desk.gitops.database).recent(None, None, 1)[0]["outcome"][0]["code"] == "NOT_DEFAULT_BRANCH"
    desk.history.switch("main")
    assert (desk.gitops.catch_up(), desk.gitops.catch_up()) == (1, 0)


def test_with_nothing_to_compare_what_the_tree_lacks_is_taken_off(desk: Desk) -> None:
    lost = ("tenant-a", "orders", "dev"), ("tenant-a", "gone", "dev"), ("tenant-x", "not-ours-any-more", "dev")
    desk.standing = list(lost)
    desk.history.at = desk.history.commit(None)
    with desk.database.transaction() as connection:
        store.move_head(connection, desk.project, None, store.Head(REF, "d" * 40), now())
    desk.gitops.catch_up()
    desk.work()
    # without its api.yaml an API stands nowhere
    assert [(w["api"], w["environment"], w["action"]) for w in desk.wanted if "refused" not in w] == [
        ("gone", "dev", "undeploy"), ("orders", "dev", "deploy"),
    ]  # fmt: skip


steps = st.lists(
    st.tuples(st.sampled_from(["forward", "rewind", "rewrite", "switch"]), st.integers(0, 5)), min_size=1, max_size=6
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.data())
def test_whatever_is_late_lost_or_rewritten_the_branch_wins(
    database: Database, server: Server, moves: Any, data: Any
) -> None:
    """Late deliveries may come between later pushes; at the end the branch's commit is the processed one."""
    desk = Desk(database, server)
    history, held = desk.history, []
    for kind, back in moves:
        line = history.line(history.at)
        base = line[min(back, len(line) - 1)] if line else None
        if kind == "switch":  # to a branch that nobody told of, or back to one that was processed
            history.switch("other" if history.default == "main" else "main")
        before = history.at
        history.at = history.commit(before if kind == "forward" else base) if kind != "rewind" or not base else base
        held.append((before or ZEROS, history.at, history.ref))
        for late in data.draw(st.lists(st.sampled_from(held), unique=True, max_size=2)):
            held.remove(late)
            desk.deliver(*late)
            if data.draw(st.booleans()):
                desk.work()
    desk.work()
    if data.draw(st.booleans()):
        desk.gitops.catch_up()
        desk.work()
        assert desk.head == history.at
    for late in data.draw(st.permutations(held)):
        was = desk.head
        desk.deliver(*late)
        desk.work()
        assert was != history.at or desk.head == history.at, "an older commit over the newest"
    desk.gitops.catch_up()
    desk.work()
    assert desk.head == history.at
    assert desk.gitops.catch_up() == 0


def test_the_head_moves_from_where_it_was_read_or_not_at_all(desk: Desk) -> None:
    old = desk.history.commit(None)
    desk.history.at = new = desk.history.commit(old)
    with desk.database.transaction() as connection:
        first, second = store.Head(REF, old), store.Head(REF, new)
        assert store.move_head(connection, desk.project, None, first, now())
        assert not store.move_head(connection, desk.project, None, second, now())
        assert not store.move_head(connection, desk.project, second, first, now())
        assert not store.move_head(connection, desk.project, store.Head("refs/heads/other", old), second, now())
        assert store.move_head(connection, desk.project, first, second, now())
    assert desk.head == new


def test_a_start_by_hand_waits_for_a_push_that_takes_its_generations(desk: Desk, database_url: str) -> None:
    old, new = desk.history.commit(None), desk.history.commit(None)
    with desk.database.transaction() as connection:
        store.move_head(connection, desk.project, None, store.Head(REF, old), now())
    other = Database(Secret(database_url), "stoa_worker")
    began = threading.Event()

    def by_hand() -> None:
        began.set()
        desk.by_hand.start(ORDERS, "somebody", None)

    with ThreadPoolExecutor(1) as pool:
        with other.transaction() as connection:
            store.move_head(connection, desk.project, store.Head(REF, old), store.Head(REF, new), now())
            started = pool.submit(by_hand)
            began.wait(5)
            blocked_until_commit(database_url)
            assert not started.done()
        started.result(timeout=10)
    other.close()
    assert desk.asked == [new]


def blocked_until_commit(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as watch:
        for _ in range(500):
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            if watch.execute(waits).fetchone():
                return
            watch.execute("SELECT pg_sleep(0.01)")
    pytest.fail("nobody waits for the branch's row")


def test_a_start_by_hand_takes_the_project_that_was_processed_last(desk: Desk) -> None:
    other = desk.project + 1
    desk.register(other)
    desk.register(desk.project + 2, "tenant-b")
    old, new, newest = (desk.history.commit(None) for _ in range(3))
    with desk.database.transaction() as connection:
        master, trunk = store.Head("refs/heads/master", old), store.Head("refs/heads/trunk", newest)
        store.move_head(connection, other, None, master, now())
        store.move_head(connection, desk.project, None, store.Head(REF, new), now())
    desk.by_hand.start(ORDERS, "somebody", None)
    with desk.database.transaction() as connection:
        store.move_head(connection, other, master, trunk, now())
    desk.by_hand.start(ORDERS, "somebody", None)
    assert desk.asked == [new, newest]


def test_a_tenant_that_was_closed_while_its_push_was_planned_gets_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan was made for tenants that the project might touch when it began."""
    planned: Any = GitOps._plan

    def late(*arguments: Any) -> Any:
        with desk.database.transaction() as connection:
            connection.execute("DELETE FROM project_tenants WHERE project_id = %s", (desk.project,))
        return planned(*arguments)

    commit = desk.history.commit(None)
    desk.history.at = commit
    desk.deliver(ZEROS, commit)
    with monkeypatch.context() as closing:
        closing.setattr(GitOps, "_plan", late)
        with pytest.raises(Transient, match="tenants changed"):
            desk.work()
    assert (desk.asked, desk.head) == ([], None)
    desk.work()
    assert (desk.asked, desk.head) == ([], commit)
