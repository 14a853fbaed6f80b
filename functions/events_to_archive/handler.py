"""every record of every topic -> S3."""

from stoa.entrypoints.kafka_whole import kafka_whole

handler = kafka_whole("events_to_archive", lambda app: app.archive.keep)
