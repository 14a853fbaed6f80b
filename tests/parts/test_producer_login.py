"""The producer logs in to a real broker with SCRAM over TLS, and to no other."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic, ScramMechanism, UserScramCredentialUpsertion

from local.parts.kafka import Kafka
from local.parts.ports import free_port
from stoa.adapters.kafka import Producer, Scram
from stoa.kernel.errors import Transient
from stoa.kernel.outbox import Row
from stoa.kernel.settings import Secret
from tests.certificates import Authority

JARS = Path(__file__).resolve().parents[2] / "build" / "kafka-jars"
USER, PASSWORD = "outbox_relay", "of-this-test-only"
LISTENER = """\
listeners=PLAINTEXT://127.0.0.1:{{broker}},CONTROLLER://127.0.0.1:{{controller}},LOGIN://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{{broker}},CONTROLLER://127.0.0.1:{{controller}},LOGIN://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.login.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.login.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.ssl.keystore.type=PEM
listener.name.login.ssl.keystore.certificate.chain={chain}
listener.name.login.ssl.keystore.key={key}
"""


class Guarded:
    """A broker with a listener for those who can log in."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority("Kafka of a test")
        own = self.authority.issue("127.0.0.1")
        port = free_port()
        chain, key = (text.replace("\n", "\\n") for text in (own.certificate, own.key))
        self.kafka = Kafka(folder, JARS, more=LISTENER.format(port=port, chain=chain, key=key))
        self.bootstrap = f"127.0.0.1:{port}"

    def prepare(self, topic: str) -> None:
        self.kafka.start()
        with closing(KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)) as admin:
            user = UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)
            admin.alter_user_scram_credentials([user])
            admin.create_topics([NewTopic(topic, 1, 1)])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("guarded") / "kafka")
    try:
        made.prepare("deploy-results")
        yield made
    finally:
        made.kafka.stop()


def login(password: str, authority: Authority) -> Scram:
    credentials = json.dumps({"username": USER, "password": password})
    return Scram(Secret(credentials), Secret(json.dumps({"certificate": authority.certificate})))


def row(value: bytes) -> Row:
    return Row(1, "deploy-results", "acme/orders", {}, value)


def test_it_sends_with_the_right_password_to_the_right_broker(guarded: Guarded) -> None:
    producer = Producer(guarded.bootstrap, login(PASSWORD, guarded.authority))
    producer.send([row(b"by scram")])
    producer.close()
    reader = KafkaConsumer(
        "deploy-results",
        bootstrap_servers=guarded.kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5_000,
    )
    with closing(reader):
        assert next(reader).value == b"by scram"


def test_a_wrong_password_waits_and_a_rotated_one_is_taken_without_a_restart(guarded: Guarded) -> None:
    current = ["wrong"]
    right = login("", guarded.authority)
    scram = Scram(Secret(lambda: json.dumps({"username": USER, "password": current[0]})), right.ca)
    producer = Producer(guarded.bootstrap, scram)
    with pytest.raises(Transient):
        producer.send([row(b"never")])
    current[0] = PASSWORD
    producer.send([row(b"rotated")])
    producer.close()


def test_a_broker_of_another_ca_gets_no_login(guarded: Guarded) -> None:
    producer = Producer(guarded.bootstrap, login(PASSWORD, Authority("somebody else")))
    with pytest.raises(Transient):
        producer.send([row(b"never")])


@pytest.mark.parametrize("text", ["", "{}", "[]", "user:secret-text", '{"username": "u"}'])
def test_a_secret_of_another_shape_is_an_alarm_that_shows_nothing_of_it(text: str) -> None:
    scram = Scram(Secret(text), Secret(json.dumps({"certificate": Authority("a").certificate})))
    with pytest.raises(Transient, match="malformed") as caught:
        Producer("127.0.0.1:9", scram).send([row(b"never")])
    assert caught.value.alarm
    assert "secret-text" not in repr(caught.value)
    assert caught.value.__suppress_context__
