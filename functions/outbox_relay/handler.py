"""every minute -> what requests had to leave in the outbox is published, and with it a heartbeat of the audit log."""

from stoa.bootstrap import App
from stoa.entrypoints.schedule import scheduled


def _relay_and_beat(app: App) -> int:
    sent = app.publisher.relay()
    app.heartbeat.beat()
    return sent


handler = scheduled("outbox_relay", _relay_and_beat)
