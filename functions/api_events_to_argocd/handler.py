"""api-created, api-updated, api-deleted -> a sync of the API's Argo CD application."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer("api_events_to_argocd", lambda app: app.rollouts.sync)
