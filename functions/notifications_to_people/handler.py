"""notifications -> Slack and e-mail; its schedule goes on with parked keys and sends digests."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer(
    "notifications_to_people",
    lambda app: app.notifications.deliver,
    tick=lambda app: app.notifications.send_digests,
)
