"""From a result on Kafka to Slack and a mailbox: the real functions, and the channels that the seed makes."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests

from local.consumer_lag import lags
from local.parts.ports import free_port
from local.runtime.platform import Platform
from local.seed import TEAM_ADDRESS, channels
from local.sign_in import Bearer
from local.topics import create_topics
from local.workspace import TENANT
from stoa.adapters.kafka import Producer
from stoa.kernel.clock import now
from stoa.kernel.envelope import Event
from stoa.kernel.outbox import Row

GROUPS = ("deploy_results_to_notifications.deploy-results", "notifications_to_people.notifications")


def test_a_result_reaches_the_channels_of_the_demo_once(
    desk: Any, world: Any, kafka: Any, module_database: Callable[[], str], run_folder: Path, issuer: Any
) -> None:
    create_topics(kafka.bootstrap)
    environment = {
        "STOA_DATABASE_URL": desk.database_url,
        "STOA_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "STOA_VAULT_URL": world.openbao.url,
        "STOA_CHANNELS_VAULT_TOKEN": world.vault_token,
        "STOA_OIDC_ISSUER_URL": issuer.url,
        "STOA_SLACK_URL": world.url,
        "STOA_SMTP_HOST": "127.0.0.1",
        "STOA_SMTP_PORT": str(world.smtp_port),
        "STOA_SMTP_TLS": "offered",
        "STOA_MAIL_FROM": "stoa@stoa.local",
    }
    platform = Platform(environment, Path(tempfile.mkdtemp(dir=run_folder)), api_workers=1, port=free_port())
    with desk.database.transaction() as connection:
        connection.execute("INSERT INTO project_tenants (project_id, tenant) VALUES (1, %s)", (TENANT,))
    platform.start({"api", "deploy_results_to_notifications", "notifications_to_people"})
    try:
        stack: Any = SimpleNamespace(
            url=lambda name: {"people": world.url, "api": platform.api_url}[name],
            openbao=world.openbao,
            admin=Bearer(issuer.token("cpi-admin")),
        )
        channels(stack)
        channels(stack)
        result = desk.result()
        value, key = {**result.data, "tenant": TENANT}, f"{TENANT}/orders"
        event = Event("deploy-results", key, "t", key, TENANT, "a", result.trace_id, now(), value)
        producer = Producer(kafka.bootstrap)
        for number in (1, 2):  # the second is a redelivery
            producer.send([Row(number, event.topic, event.key, event.headers(), event.value())])
        producer.close()
        found = arrived(world, result.trace_id, kafka.bootstrap)
    finally:
        platform.stop()
    assert sorted(message["kind"] for message in found) == ["mail", "slack"]
    assert [m["to"] for m in found if m["kind"] == "mail"] == [[TEAM_ADDRESS]]


def arrived(world: Any, trace_id: str, bootstrap: str) -> list[dict[str, Any]]:
    """What tells of the trace when there are two, and everything on the way is done."""
    deadline = time.monotonic() + 120
    while len(told(world, trace_id)) < 2 or any(one.behind for one in lags(bootstrap) if one.group in GROUPS):
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.1)
    return told(world, trace_id)


def told(world: Any, trace_id: str) -> list[dict[str, Any]]:
    messages = requests.get(f"{world.url}/_emulator/messages", timeout=5).json()["messages"]
    return [message for message in messages if trace_id in str(message)]
