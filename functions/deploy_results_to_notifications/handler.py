"""deploy-results -> the messages that a tenant's channels are to get."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer("deploy_results_to_notifications", lambda app: app.notifications.tell_of_result)
