"""deploy-requests -> an AWX job, or a place in the lane; its schedule goes on with parked keys."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer(
    "deploy_requests_to_awx",
    lambda app: app.deployments.launch,
    lambda app: app.deployments.give_up,
    reserve_ms=45_000,  # GitLab's answer or Vault's, then that of AWX
)
