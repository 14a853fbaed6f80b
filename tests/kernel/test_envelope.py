"""An event survives the way through Kafka and Lambda; anything else is refused, never a crash."""

import base64
import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoa.kernel import ids
from stoa.kernel.clock import iso
from stoa.kernel.envelope import Event, decode, headers
from stoa.kernel.errors import Refused

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "lambda"


def event(**data: Any) -> Event:
    return Event(
        topic="deploy-requests",
        key="tenant-acme/orders",
        type="stoa.deployment.requested",
        subject="tenant-acme/orders/dev",
        tenant="tenant-acme",
        actor="gitlab:7",
        trace_id=ids.trace_id(),
        time=datetime(2026, 1, 2, tzinfo=UTC),
        data=data,
        generation=4,
    )


def as_record(e: Event, *, signed: bool = False) -> dict[str, Any]:
    def octets(text: str) -> list[int]:
        return [b - 256 if signed and b > 127 else b for b in text.encode()]

    return {
        "topic": e.topic,
        "partition": 0,
        "offset": 3,
        "key": base64.b64encode(e.key.encode()).decode(),
        "value": base64.b64encode(e.value()).decode(),
        "headers": [{name: octets(value)} for name, value in e.headers().items()],
    }


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), st.booleans())
def test_an_event_comes_out_as_it_went_in(data: dict[str, Any], signed: bool) -> None:
    sent = event(data=data)
    got = decode(as_record(sent, signed=signed))
    assert (got.id, got.key, got.subject, got.trace_id) == (sent.id, sent.key, sent.subject, sent.trace_id)
    assert (got.generation, got.tenant, got.data["data"]) == (4, "tenant-acme", data)


def test_signed_header_bytes_are_read_as_bytes() -> None:
    assert headers({"headers": [{"ce_subject": [-61, -87]}]}) == {"ce_subject": "é"}


@given(st.sampled_from(["key", "value"]), st.text() | st.none() | st.just("!!") | st.just("eyJh"))
def test_a_broken_record_is_read_or_refused_and_nothing_else(field: str, junk: str | None) -> None:
    with contextlib.suppress(Refused):
        decode({**as_record(event()), field: junk})


def test_a_message_without_our_headers_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="ce_id"):
        decode({**as_record(event()), "headers": []})


def test_the_sample_of_lambda_is_read_and_refused_for_what_it_is_not() -> None:
    path = SAMPLES / "kafkaEventSelfManaged.json"
    if not path.exists():
        pytest.skip("../shared/data is not here")
    record = json.loads(path.read_text())["records"]["mytopic-0"][0]
    assert headers(record) == {"headerKey": "headerValue"}
    with pytest.raises(Refused, match="headers are missing"):
        decode(record)


def test_times_are_utc_and_aware() -> None:
    assert iso(datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)) == "2026-01-02T03:04:05.006Z"
    with pytest.raises(ValueError, match="zone"):
        iso(datetime(2026, 1, 2))  # noqa: DTZ001


def test_deployment_ids_sort_by_time_and_are_26_characters() -> None:
    made = [ids.deployment_id() for _ in range(50)]
    assert len(set(made)) == 50
    assert all(len(i) == 30 and i.startswith("dep-") for i in made)
    assert sorted(i[:14] for i in made) == [i[:14] for i in made]
