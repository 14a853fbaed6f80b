"""every minute -> what requests had to leave in the outbox is published."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled("outbox_relay", lambda app: app.publisher.relay())
