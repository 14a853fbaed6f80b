"""What answers and filters mean, and what the payload looks like."""

import base64
import json
from pathlib import Path

import pytest
from aws_lambda_powertools.utilities.data_classes import KafkaEvent
from aws_lambda_powertools.utilities.parser.models import KafkaSelfManagedEventModel
from hypothesis import given
from hypothesis import strategies as st

from local.runtime import answers, filters, payload
from local.runtime.mapping import Mapping, Record

OUR_SAMPLES = Path(__file__).resolve().parents[2] / "events/samples"
SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "lambda"
RECORDS = [
    Record("t", 3, offset, 1767348000000, b"acme/orders", b'{"id": 1}', (("trace_id", b"t-1"),)) for offset in (5, 6)
]


def item(partition: object, offset: object) -> dict:
    return {"itemIdentifier": {"partition": partition, "offset": offset}}


@pytest.mark.parametrize("answer", [None, {}, "", {"batchItemFailures": []}, {"batchItemFailures": None}, {"x": 1}])
def test_an_empty_answer_is_success(answer):
    assert answers.reported(answer, RECORDS) == frozenset()


def test_reported_records_are_named_by_topic_partition_and_offset():
    assert answers.reported({"batchItemFailures": [item("t-3", 6)]}, RECORDS) == {("t-3", 6)}


@pytest.mark.parametrize(
    "failures",
    [
        [item("t-3", 99)],
        [item("t-4", 5)],
        [item("t-3", 5), item("other-3", 5)],
        [item("t-3", "5")],
        [item("", 5)],
        [{"itemIdentifier": "t-3-5"}],
        [{"itemIdentifier": None}],
        [{"identifier": {}}],
        ["t-3"],
        "t-3",
        {"partition": "t-3"},
    ],
)
def test_an_unknown_identifier_fails_the_whole_batch(failures):
    assert answers.reported({"batchItemFailures": failures}, RECORDS) is None


def test_the_payload_is_read_by_an_independent_event_class():
    event = KafkaEvent(payload.event(RECORDS, "127.0.0.1:9092"))
    first = next(event.records)
    assert event.event_source == "SelfManagedKafka"
    assert event.decoded_bootstrap_servers == ["127.0.0.1:9092"]
    assert (first.topic, first.partition, first.offset, first.timestamp_type) == ("t", 3, 5, "CREATE_TIME")
    assert first.decoded_key == b"acme/orders"
    assert first.json_value == {"id": 1}
    assert first.decoded_headers["trace_id"] == b"t-1"
    KafkaSelfManagedEventModel.model_validate(payload.event(RECORDS, "127.0.0.1:9092"))


def test_the_payload_has_the_fields_of_the_sample_of_aws():
    sample = SAMPLES / "kafkaEventSelfManaged.json"
    if not sample.exists():
        pytest.skip(f"no sample events at {SAMPLES}")
    theirs = json.loads(sample.read_text())
    ours = payload.event(RECORDS, "b")
    assert set(ours) == set(theirs)
    assert set(ours["records"]["t-3"][0]) == set(theirs["records"]["mytopic-0"][0])


@pytest.mark.parametrize("path", sorted(OUR_SAMPLES.glob("kafka-*.json")), ids=lambda path: path.stem)
def test_our_samples_have_the_fields_of_a_payload(path):
    sample, ours = json.loads(path.read_text()), payload.event(RECORDS, "b")
    KafkaSelfManagedEventModel.model_validate(sample)
    assert set(sample) == set(ours)
    for partition, records in sample["records"].items():
        assert [set(record) for record in records] == [set(ours["records"]["t-3"][0])]
        assert {f"{record['topic']}-{record['partition']}" for record in records} == {partition}


def test_an_absent_key_or_value_is_left_out():
    tombstone = payload.encoded(Record("t", 0, 1, 0, None, None, (("empty", b""),), 1))
    assert "key" not in tombstone
    assert "value" not in tombstone
    assert tombstone["headers"] == [{"empty": []}]
    assert tombstone["timestampType"] == "LOG_APPEND_TIME"


@given(st.binary(), st.binary(), st.lists(st.tuples(st.text(), st.binary())))
def test_every_byte_survives_the_payload(key, value, headers):
    entry = json.loads(json.dumps(payload.encoded(Record("t", 0, 0, 0, key, value, tuple(headers)))))
    assert base64.b64decode(entry["key"]) == key
    assert base64.b64decode(entry["value"]) == value
    assert [(name, bytes(data)) for one in entry["headers"] for name, data in one.items()] == headers


@given(st.binary(max_size=2000), st.lists(st.tuples(st.text(alphabet="abc", max_size=9), st.binary(max_size=99))))
def test_the_size_of_a_record_is_never_underestimated(value, headers):
    record = Record("some-topic", 0, 123456, 1767348000000, b"key", value, tuple(headers))
    assert len(json.dumps(payload.encoded(record), separators=(",", ":"))) <= record.payload_bytes + 8 * len(headers)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"status": ["failed"]}, True),
        ({"status": ["done", "failed"]}, True),
        ({"status": ["done"]}, False),
        ({"status": [{"prefix": "fai"}], "tenant": ["acme"]}, True),
        ({"status": [{"prefix": "fai"}], "tenant": ["other"]}, False),
        ({"status": [{"anything-but": ["failed"]}]}, False),
        ({"missing": [{"anything-but": ["failed"]}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"status": [{"exists": True}]}, True),
        ({"status": [{"exists": False}]}, False),
        ({"count": [{"numeric": [">", 2, "<=", 3]}]}, True),
        ({"count": [{"numeric": [">", 3]}]}, False),
        ({"count": [True]}, False),
        ({"api": {"name": [{"suffix": "ers"}]}}, True),
        ({"api": {"name": [{"equals-ignore-case": "ORDERS"}]}}, True),
        ({"tags": ["b"]}, True),
        ({"nothing": [None]}, True),
    ],
)
def test_a_filter_matches_as_eventbridge_does(pattern, matches):
    value = {
        "status": "failed",
        "tenant": "acme",
        "count": 3,
        "api": {"name": "orders"},
        "tags": ["a", "b"],
        "nothing": None,
    }
    record = Record("t", 0, 0, 0, None, json.dumps(value).encode())
    assert filters.wanted(record, [{"value": pattern}]) is matches


def test_one_of_several_filters_is_enough_and_none_wants_everything():
    record = Record("t", 0, 0, 0, None, b'{"a": 1}')
    assert filters.wanted(record, [{"value": {"a": [2]}}, {"value": {"a": [1]}}])
    assert filters.wanted(record, [])


@pytest.mark.parametrize("value", [b"not json", b"\xff", None])
def test_a_filter_refuses_what_is_not_json(value):
    assert not filters.wanted(Record("t", 0, 0, 0, None, value), [{"value": {"a": [1]}}])


def test_a_mapping_refuses_what_aws_refuses():
    with pytest.raises(ValueError, match="batch_size"):
        Mapping("f", "t", "g", batch_size=0)
    with pytest.raises(ValueError, match="target"):
        Mapping("f", "t", "g", on_failure="t")
