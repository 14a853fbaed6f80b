"""api-created, api-updated, api-deleted -> a sync of the API's Argo CD application; ticks follow it to its end."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer(
    "api_events_to_argocd",
    lambda app: app.rollouts.sync,
    lambda app: app.rollouts.give_up,
    tick=lambda app: app.rollouts.follow,
    reserve_ms=45_000,  # the application is read, then synced
)
