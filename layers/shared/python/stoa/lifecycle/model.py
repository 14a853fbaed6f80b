"""How long the platform remembers what is done. The windows are here and nowhere else."""

from datetime import timedelta

# An event that a consumer is done with may come once more: another consumer lets it lie for as long as its topic
# retains it (7 days), and parked for a day; then it is a dead letter (kept for 30), is sent back, and lies for as long
# again. That is 45 days, and each time begins anew, since a repeated claim is renewed (kernel/inbox.py). Topics that
# are kept for longer have no consumer that claims. A test compares this with cdk/wiring.py.
INBOX = timedelta(days=60)

# An event that Kafka acknowledged is read there, and in the archive. Two retentions of its topic later nobody asks the
# outbox about it: what is written once (a heartbeat) is of its own minute.
OUTBOX = timedelta(days=14)
