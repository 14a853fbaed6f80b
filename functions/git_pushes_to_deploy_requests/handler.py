"""git-pushes -> one deploy request per API and environment that the push changed."""

from stoa.entrypoints.kafka import kafka_consumer

handler = kafka_consumer(
    "git_pushes_to_deploy_requests",
    lambda app: app.gitops.plan_push,
    lambda app: app.gitops.give_up,
    reserve_ms=25_000,  # GitLab's answer; what it read, it reads again
)
