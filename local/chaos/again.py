"""What arrives a second time: webhooks, notices of AWX, records, exactly as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from kafka import KafkaProducer

from local import topics
from local.stack import Stack

MOST = 40
TOPICS = ("git-pushes", "deploy-requests", "deploy-results")
KAFKA_MS = 5_000


@contextmanager
def webhooks(stack: Stack, draw: random.Random) -> Iterator[str]:
    """Deliveries of GitLab's log, with their bodies and their keys, in any order."""
    found = requests.get(f"{stack.url('gitlab')}/_emulator/deliveries?full=1", timeout=10).json()["deliveries"]
    answered = [entry for entry in found if entry["status"] == 202]
    chosen = draw.sample(answered, min(MOST, len(answered)))
    for entry in chosen:
        headers = {"X-Gitlab-Token": stack.home.secret("webhook_secret"), "Idempotency-Key": entry["key"]}
        _post(f"{stack.url('api')}/webhooks/gitlab", entry["request_data"], headers)
    yield f"{len(chosen)} of {len(answered)}"


@contextmanager
def notices(stack: Stack, draw: random.Random) -> Iterator[str]:
    """AWX's word about jobs, of which some are over and some are not."""
    found = requests.get(f"{stack.url('awx')}/_emulator/launches", timeout=10).json()["launches"]
    jobs = [entry["job"] for entry in found]
    chosen = draw.sample(jobs, min(MOST, len(jobs)))
    headers = {"X-Stoa-Token": stack.home.secret("awx_webhook_secret")}
    for job in chosen:
        _post(f"{stack.url('api')}/webhooks/awx/job-complete", {"id": job, "status": "successful"}, headers)
    yield f"{len(chosen)} of {len(jobs)}"


def _post(url: str, body: object, headers: dict[str, str]) -> None:
    try:
        requests.post(url, json=body, headers=headers, timeout=10)
    except requests.RequestException:
        return  # of a platform that is down


@contextmanager
def records(stack: Stack, draw: random.Random) -> Iterator[str]:
    """Records of a topic once more, with key, value and headers: old ones, behind the newest."""
    topic = draw.choice(TOPICS)
    yield f"{topic}: {_again(stack.kafka.bootstrap, topic, draw)}"


def _again(bootstrap: str, topic: str, draw: random.Random) -> str:
    found = topics.records(bootstrap, topic)
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, bootstrap_timeout_ms=KAFKA_MS, delivery_timeout_ms=KAFKA_MS,
        request_timeout_ms=KAFKA_MS - 1_000, max_block_ms=KAFKA_MS,
    )  # fmt: skip
    chosen = sorted(draw.sample(range(len(found)), min(MOST, len(found))))
    try:
        for place in chosen:
            record = found[place]
            partition = record.partition
            producer.send(topic, key=record.key, value=record.value, headers=record.headers, partition=partition)
        producer.flush(timeout=KAFKA_MS / 1000)
    finally:
        producer.close(timeout=1)
    return f"{len(chosen)} of {len(found)}"
