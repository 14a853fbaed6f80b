"""every minute -> what requests had to leave in the outbox is published, and with it a heartbeat of the audit log."""

from stoa.bootstrap import App
from stoa.entrypoints.schedule import scheduled


def _beat_and_relay(app: App) -> int:
    app.heartbeat.beat()
    return app.publisher.relay()


handler = scheduled("outbox_relay", _beat_and_relay)
