"""The event source with a real broker: fast, in order, and nothing lost whatever is killed."""

import time


def test_a_record_reaches_an_idle_function_within_50_ms(story):
    story.start()
    story.ready(1)
    story.send("warm")
    story.expect("warm")
    delays = []
    for number in range(20):
        time.sleep(0.02)
        sent = time.time()
        story.send(f"r{number}")
        story.expect(f"r{number}")
        delays.append(story.ledger()[-1]["at"] - sent)
    print(sorted(delays))
    assert sorted(delays)[10] < 0.05
