"""notifications -> Slack and e-mail; its schedule goes on with parked keys and sends digests."""

from stoa.entrypoints.kafka import kafka_consumer
from stoa.notifications.model import SENDING_S

handler = kafka_consumer(
    "notifications_to_people",
    lambda app: app.notifications.deliver,
    lambda app: app.notifications.give_up,
    tick=lambda app: app.notifications.send_digests,
    reserve_ms=int(SENDING_S * 1000),
)
