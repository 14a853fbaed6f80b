"""api-changes -> one commit in GitLab, and the push of it; ticks end what no processed push named."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer(
    "api_changes_to_gitlab",
    lambda app: app.authoring.write,
    lambda app: app.authoring.give_up,
    tick=lambda app: app.authoring.follow,
    reserve_ms=60_000,  # a dozen calls of GitLab, one after the other
)
