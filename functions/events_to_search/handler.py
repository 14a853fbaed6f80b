"""every event -> OpenSearch."""

from stoa.entrypoints.kafka_whole import kafka_whole

handler = kafka_whole("events_to_search", lambda app: app.search.index)
