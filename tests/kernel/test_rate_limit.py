"""Token buckets: as a simple model has them, exact under concurrency, unhurt by a clock that jumps."""

import threading
import time
import uuid
from collections.abc import Callable
from fractions import Fraction

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.outbox_relay.handler import relay
from stoa.bootstrap import App
from stoa.kernel.clock import no_end
from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from stoa.kernel.rate_limit import Policy, level, remove_idle, take
from stoa.kernel.settings import Secret, from_environment

HOUR = 3600
SPACING_S = 1000
# what the test itself takes must be nothing beside a step of the clock
STEP_S = 100


def tenant(burst: int) -> Policy:
    return Policy("tenant", 1 / SPACING_S, burst)


def user(burst: int) -> Policy:
    return Policy("user", 1 / SPACING_S, burst)


def pass_time(database: Database, seconds: float) -> None:
    """For the buckets it is the same whether the clock goes on or their moments go back."""
    with database.transaction() as connection:
        connection.execute("UPDATE rate_limits SET full_at = full_at - make_interval(secs => %s)", (seconds,))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bursts=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    jumps=st.lists(st.integers(-30, 60), min_size=1, max_size=12),
)
def test_buckets_are_as_the_model_has_them(database: Database, bursts: tuple[int, int], jumps: list[int]) -> None:
    """Also when the clock goes back, which leaves a bucket at most empty."""
    buckets = [(tenant(bursts[0]), uuid.uuid4().hex), (user(bursts[1]), uuid.uuid4().hex)]
    take(database, buckets)
    had = [Fraction(burst - 1) for burst in bursts]
    for steps in jumps:
        pass_time(database, steps * STEP_S)
        gained = Fraction(steps * STEP_S, SPACING_S)
        had = [min(Fraction(burst), max(Fraction(0), h + gained)) for h, burst in zip(had, bursts, strict=True)]
        levels = take(database, buckets)
        assert [one.fits for one in levels] == [h >= 1 for h in had]
        if min(had) >= 1:
            had = [h - 1 for h in had]
        assert [one.remaining for one in levels] == [int(h) for h in had]
        assert [one.more_in_s for one in levels] == pytest.approx([float((1 - h % 1) * SPACING_S) for h in had], abs=5)


def test_an_unused_bucket_is_full_and_fills_again(database: Database) -> None:
    def asked() -> tuple[bool, int]:
        (found,) = take(database, [(tenant(3), "acme")])
        return found.fits, found.remaining

    assert [asked() for _ in range(5)] == [(True, 2), (True, 1), (True, 0), (False, 0), (False, 0)]
    pass_time(database, SPACING_S)
    assert [asked() for _ in range(2)] == [(True, 0), (False, 0)]
    pass_time(database, 24 * HOUR)
    assert asked() == (True, 2)


def test_who_is_refused_by_one_bucket_takes_nothing_from_the_other(database: Database) -> None:
    def asked(who: str) -> list[tuple[bool, int]]:
        return [(one.fits, one.remaining) for one in take(database, [(tenant(5), "acme"), (user(2), who)])]

    assert [asked("ann"), asked("ann")] == [[(True, 4), (True, 1)], [(True, 3), (True, 0)]]
    assert [asked("ann"), asked("ann")] == [[(True, 3), (False, 0)], [(True, 3), (False, 0)]]
    assert [asked("bob"), asked("bob"), asked("cid")] == [
        [(True, 2), (True, 1)],
        [(True, 1), (True, 0)],
        [(True, 0), (True, 1)],
    ]
    assert asked("cid") == [(False, 0), (True, 1)]


@pytest.mark.parametrize("jump_s", [-HOUR, -100 * 24 * HOUR])
def test_a_clock_that_goes_back_costs_one_wait_and_not_the_jump(database: Database, jump_s: int) -> None:
    def fits() -> bool:
        return take(database, [(tenant(3), "acme")])[0].fits

    assert fits()
    pass_time(database, jump_s)
    assert not fits()
    pass_time(database, SPACING_S)
    assert (fits(), fits()) == (True, False)
    pass_time(database, -jump_s)  # the clock is set right again
    assert [fits() for _ in range(4)] == [True, True, True, False]


def test_many_at_once_get_exactly_what_is_there(database_url: str) -> None:
    """New rows are made at the same time, and users of two tenants cross; nobody waits for ever."""
    granted: list[tuple[str, str]] = []
    policies = (tenant(60), user(25))

    def ask(tenants: list[str]) -> None:
        database = Database(Secret(database_url), "stoa_worker")
        for n in range(80):
            owners = tenants[n % 2], f"user-{n % 4}"
            if all(one.fits for one in take(database, list(zip(policies, owners, strict=True)))):
                granted.append(owners)
        database.close()

    threads = [threading.Thread(target=ask, args=(t,)) for t in (["a", "b"], ["b", "a"], ["a", "b"], ["b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    by_tenant = [sum(owner == who for owner, _ in granted) for who in "ab"]
    by_user = [sum(user == f"user-{n}" for _, user in granted) for n in range(4)]
    assert (sum(by_tenant), by_user) == (100, [25] * 4)
    assert max(by_tenant) <= 60


def test_full_buckets_are_removed_and_those_in_use_stay(database: Database, database_url: str) -> None:
    for who in ("old", "held", "busy"):
        take(database, [(tenant(3), who)])
    with psycopg.connect(database_url) as other:
        other.execute("UPDATE rate_limits SET full_at = now() - interval '1 s' WHERE bucket <> 'tenant:busy'")
        other.commit()
        other.execute("SELECT FROM rate_limits WHERE bucket = 'tenant:held' FOR UPDATE")
        assert remove_idle(database) == 1
    assert remove_idle(database) == 1
    with database.transaction() as connection:
        assert connection.execute("SELECT bucket FROM rate_limits").fetchall() == [{"bucket": "tenant:busy"}]


def test_the_relay_removes_them_at_each_tick(database: Database, database_url: str) -> None:
    app = App(from_environment({"STOA_DATABASE_URL": database_url}), publish_wait_s=0)
    take(database, [(tenant(3), "acme")])
    pass_time(database, HOUR)
    assert relay(app, no_end) == 0
    app.database.close()
    with database.transaction() as connection:
        assert connection.execute("SELECT bucket FROM rate_limits").fetchall() == []


def test_a_bucket_that_is_removed_while_a_request_waits_for_it_is_made_again(
    database: Database, database_url: str
) -> None:
    take(database, [(tenant(3), "acme")])
    found: list[int] = []
    with psycopg.connect(database_url) as other:
        other.execute("DELETE FROM rate_limits")
        waiting = threading.Thread(target=lambda: found.append(take(database, [(tenant(3), "acme")])[0].remaining))
        waiting.start()
        until = time.monotonic() + 60
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert time.monotonic() < until
            time.sleep(0.01)
    waiting.join(60)
    assert found == [2]


def test_a_connection_that_died_between_two_requests_is_replaced(database: Database, database_url: str) -> None:
    take(database, [(tenant(3), "acme")])
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = ''"
                      " AND datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    assert take(database, [(tenant(3), "acme")])[0].remaining == 1


def test_without_a_database_nothing_is_let_through(new_database: Callable[[], str]) -> None:
    gone = Database(Secret(new_database().replace("/t_", "/no_")), "stoa_worker")
    with pytest.raises(Transient):
        take(gone, [(tenant(3), "acme")])


def test_only_the_worker_takes_tokens(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE stoa_admin_read")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT take_tokens('{a}', '{1 s}', '{1}')")


def test_a_crash_fills_the_buckets_and_breaks_nothing(database_url: str) -> None:
    """The table is UNLOGGED, so that no request waits for the disk."""
    with psycopg.connect(database_url) as connection:
        kind = connection.execute("SELECT relpersistence FROM pg_class WHERE relname = 'rate_limits'").fetchone()
    assert kind == ("u",)


def test_a_level_never_says_less_than_nothing() -> None:
    assert level(Policy("tenant", 10, 5), fits=False, full_in_s=0.7).remaining == 0
    assert level(Policy("tenant", 3, 7), fits=True, full_in_s=1 / 3).remaining == 6
