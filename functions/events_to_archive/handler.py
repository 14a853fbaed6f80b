"""every record of every topic -> S3; its schedule signs checkpoints of what was kept of the audit log."""

from stoa.entrypoints.kafka_whole import kafka_whole

handler = kafka_whole("events_to_archive", lambda app: app.archive.keep, tick=lambda app: app.audit_chain.checkpoint)
