"""deploy-results -> what each environment serves."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer("deploy_results_to_status", lambda app: app.catalog.record_result)
