"""notifications -> Slack and e-mail."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer("notifications_to_people", lambda app: app.notifications.deliver)
