"""every minute -> what requests had to leave in the outbox is published, and with it a heartbeat of the audit log; rate
limits that nobody uses are removed."""

from stoa.bootstrap import App
from stoa.entrypoints.schedule import scheduled
from stoa.kernel.clock import RemainingMs
from stoa.kernel.rate_limit import remove_idle


def relay(app: App, remaining_ms: RemainingMs) -> int:
    remove_idle(app.database)
    sent = app.publisher.relay(remaining_ms)
    app.heartbeat.beat()
    return sent


handler = scheduled("outbox_relay", relay)
