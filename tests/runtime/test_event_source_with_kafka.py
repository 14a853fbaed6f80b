"""The event source with a real broker: fast, in order, and nothing lost whatever is killed."""

import json
import os
import signal
import time
from collections import defaultdict

from tests.runtime.conftest import wait_until


def numbered(count: int, prefix: str = "r") -> list[str]:
    return [f"{prefix}{n:04}" for n in range(count)]


def first_times(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def test_a_record_reaches_an_idle_function_within_50_ms(story):
    story.start()
    story.ready(1)
    story.send("warm")
    story.expect("warm")
    delays = []
    for value in numbered(20):
        sent = time.time()
        story.send(value)
        story.expect(value)
        delays.append(story.ledger()[-1]["at"] - sent)
    assert sorted(delays)[10] < 0.05


def test_a_function_killed_in_the_middle_of_a_batch_loses_nothing(story):
    story.mode(sleep=0.05)
    story.start()
    values = numbered(30)
    story.send(*values)
    story.expect("r0003")
    story.kill_function()
    story.expect("r0015")
    story.kill_function()
    story.mode()
    story.expect(*values)
    assert first_times(story.values()) == values
    wait_until(lambda: story.committed() == 30, "all committed")


def test_a_runner_killed_again_and_again_loses_nothing_and_keeps_the_order(story):
    story.mode(sleep=0.02)
    values = numbered(40)
    story.send(*values)
    for seen in ("r0002", "r0014", "r0027"):
        story.start(session_s=1.5)
        story.expect(seen)
        story.kill_runner()
    story.mode()
    story.start(session_s=1.5)
    story.expect(*values)
    assert first_times(story.values()) == values
    wait_until(lambda: story.committed() == 40, "all committed")
    assert len(story.values()) <= 40 + 3 * 10, "only the batch under way comes again"


def test_a_runner_that_is_stopped_finishes_its_batch_and_commits_it(story):
    story.mode(sleep=0.1)
    story.start()
    story.send(*numbered(5))
    story.expect("r0001")
    story.stop_runner()
    done = len(story.values())
    assert story.committed() == done
    story.start()
    story.expect(*numbered(5))
    assert len(story.values()) == 5


def test_nothing_is_committed_while_the_function_works(story):
    story.start(window_s=0.2)
    story.send("before")
    story.expect("before")
    wait_until(lambda: story.committed() == 1, "the first is committed")
    story.mode(sleep=0.4)
    story.send("slow-1", "slow-2")
    story.expect("slow-1")
    assert story.committed() == 1
    wait_until(lambda: story.committed() == 3, "committed after the batch")


def test_an_outage_holds_everything_back_and_ends_without_loss(wide_story):
    story = wide_story
    story.mode(**{"raise": True})
    story.start(scale=10.0)
    values = numbered(60)
    for value in values:
        story.send(value, key=f"key-{int(value[1:]) % 9}")
    wait_until(lambda: story.counters().failed > 100, "many failed invocations")
    assert story.committed() == 0
    assert story.values() == []
    story.mode()
    story.expect(*values)
    wait_until(lambda: story.committed() == 60, "all committed")
    wait_until(lambda: story.counters().lag == 0, "no lag")
    assert sorted(story.values()) == values
    assert story.counters().dropped == 0
    by_key = defaultdict(list)
    for value in story.values():
        by_key[int(value[1:]) % 9].append(value)
    assert all(seen == sorted(seen) for seen in by_key.values())


def test_a_refused_record_comes_again_alone_while_other_partitions_go_on(wide_story):
    story = wide_story
    story.mode(refuse=["stuck"])
    story.start()
    story.send("stuck", "after", partition=0)
    story.send(*numbered(20), partition=1)
    story.expect("after", *numbered(20))
    wait_until(lambda: story.committed() == 20, "partition 1 is committed, partition 0 is not")
    story.mode()
    story.expect("stuck")
    wait_until(lambda: story.committed() == 22, "all committed")
    assert story.values().count("after") == 1


def test_with_the_other_reading_everything_from_the_lowest_reported_comes_again(story):
    story.mode(refuse=["stuck"])
    story.start(resume="lowest", window_s=0.3)
    story.send("first", "stuck", "after")
    wait_until(lambda: story.values().count("after") >= 2, "the record after it comes again")
    story.mode()
    story.expect("stuck")
    assert story.values().count("first") == 1


def test_a_function_over_its_deadline_is_killed_and_its_batch_comes_again(story):
    story.mode(sleep=5)
    story.start(timeout_s=0.3)
    story.send("slow")
    wait_until(lambda: story.counters().failed >= 2, "two timeouts")
    assert story.committed() == 0
    story.mode()
    story.expect("slow")


def test_three_members_share_the_partitions_and_one_that_dies_is_replaced(wide_story):
    story = wide_story
    for member in range(3):
        story.start(member, session_s=2.0)
    for member in range(3):
        story.ready(2, member)
    story.mode(sleep=0.01)
    early, late = numbered(120), numbered(120, "s")
    for value in early:
        story.send(value, key=f"key-{int(value[1:]) % 12}")
    story.kill_runner(1)
    for value in late:
        story.send(value, key=f"key-{int(value[1:]) % 12}")
    story.expect(*early, *late)
    by_key = defaultdict(list)
    for value in first_times(story.values()):
        by_key[int(value[1:]) % 12].append(value)
    assert all(seen == sorted(seen) for seen in by_key.values())
    wait_until(lambda: story.committed() == 240, "all committed")


def test_exhausted_records_reach_the_target_before_they_are_committed(story):
    parked = f"{story.topic}.dlq"
    story.create(parked)
    story.mode(refuse=["poison"])
    story.start(retries=1, on_failure=parked)
    story.send("fine")
    story.send("poison", key="acme/orders")
    story.send("also fine")
    story.expect("fine", "also fine")
    wait_until(lambda: story.committed() == 3, "all committed")
    (record,) = story.read(parked, 1)
    message = json.loads(record.value)
    assert record.key == b"acme/orders"
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["requestContext"]["approximateInvokeCount"] == 2
    assert message["payload"]["records"][f"{story.topic}-0"][0]["offset"] == 1
    wait_until(lambda: story.counters().delivered == 1, "counted")


def test_filtered_records_are_skipped_and_committed(story):
    story.start(filters=({"value": {"kind": ["wanted"]}},))
    story.send('{"kind": "other"}', '{"kind": "wanted"}', "no json")
    story.expect('{"kind": "wanted"}')
    wait_until(lambda: story.committed() == 3, "all committed")
    assert len(story.values()) == 1
    wait_until(lambda: story.counters().filtered == 2, "counted")


def test_latest_starts_at_the_end_and_a_restart_skips_nothing(story):
    story.send("old")
    story.start(start="LATEST", session_s=1.5)
    wait_until(lambda: story.committed() == 1, "where it starts is committed")
    story.kill_runner()
    story.send("new")
    story.start(start="LATEST", session_s=1.5)
    story.expect("new")
    assert story.values() == ["new"]


def test_a_start_by_time_leaves_out_what_is_older(story):
    story.send("old")
    time.sleep(0.05)
    moment = int(time.time() * 1000)
    time.sleep(0.05)
    story.send("new")
    story.start(start=moment)
    story.expect("new")
    assert story.values() == ["new"]


def test_a_broker_killed_in_the_middle_loses_nothing(story, kafka):
    story.mode(sleep=0.05)
    story.start()
    early = numbered(30)
    story.send(*early)
    story.expect("r0004")
    kafka.kill()
    story.expect("r0009")
    kafka.start()
    story.mode()
    story.send("late")
    story.expect(*early, "late")
    assert first_times(story.values()) == [*early, "late"]
    wait_until(lambda: story.committed() == 31, "all committed")


def test_a_runner_that_hung_is_replaced_and_takes_its_place_again(story):
    story.start(session_s=1.5)
    story.ready(1)
    hung = story.running[0]
    hung.send_signal(signal.SIGSTOP)
    story.start(member=1, session_s=1.5)
    story.ready(1, member=1)
    story.send("meanwhile")
    story.expect("meanwhile")
    hung.send_signal(signal.SIGCONT)
    story.stop_runner(member=1)
    story.send("last")
    story.expect("last")
    # the broker may have answered the one that hung with it, which finds out later that it was missed
    assert first_times(story.values()) == ["meanwhile", "last"]


def test_members_whose_broker_stood_still_take_their_places_again(wide_story, kafka):
    """Several groups, since it goes wrong for some of them."""
    groups = 8
    wide_story.start(groups=groups, session_s=1.5)
    for member in range(groups):
        wide_story.ready(6, member=member)
    os.kill(kafka.pid, signal.SIGSTOP)
    time.sleep(3)  # longer than a session: to the broker all have been silent when it goes on
    os.kill(kafka.pid, signal.SIGCONT)
    wide_story.send("after")
    wait_until(lambda: wide_story.values().count("after") >= groups, "each group has read it")
