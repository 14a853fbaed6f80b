"""Whatever stands in a record: documents that the strict fields take, or a refusal; never anything else."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.deployments.events import FINISHED, REQUESTED
from stoa.gitops.events import PUSH_ACCEPTED
from stoa.kernel.errors import Refused
from stoa.search.model import LONG, Document, documents
from stoa.search.templates import FIELDS, INDICES
from tests.search.server import asked_and_ended, deployment

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
GENUINE = dict(asked_and_ended(deployment())[1].data)
VALUES = st.dictionaries(st.sampled_from(sorted(GENUINE)), JSON).map(lambda changed: {**GENUINE, **changed}) | JSON
TYPES = st.sampled_from([REQUESTED, FINISHED, PUSH_ACCEPTED, "stoa.api.created"])
TENANTS = st.sampled_from(["tenant-acme", "_platform", "", "../x"])
TOPICS = st.sampled_from(["deploy-results", "audit-log", "git-pushes"])
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TYPED = {
    "keyword": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str),
    "long": lambda value: type(value) is int and -LONG <= value < LONG,
    "boolean": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, str) and DATE.fullmatch(value),
    "object": lambda value: isinstance(value, dict),
}


def fits(body: Any, fields: dict[str, Any]) -> bool:
    """What a strict mapping asks of a document."""
    for name, value in body.items():
        field = fields[name]
        if "properties" in field:
            assert all(fits(one, field["properties"]) for one in value), name
        else:
            assert TYPED[field["type"]](value), (name, value)
    return True


def read_back(document: Document) -> tuple[dict[str, Any], Any]:
    action, source, nothing = document.entry().decode().split("\n")
    assert nothing == ""
    return json.loads(action), json.loads(source)


@settings(max_examples=100, deadline=None)
@given(VALUES, TYPES, TENANTS, TOPICS, st.sampled_from(["2026-01-31T23:30:00-01:00", "2026-02-01T00:30:00.5Z", "now"]))
def test_any_value_makes_documents_that_fit_or_is_refused(
    value: Any, kind: str, tenant: str, topic: str, time: str
) -> None:
    said = {"ce_id": "e", "ce_type": kind, "ce_source": "s", "ce_time": time, "ce_subject": "x", "ce_tenant": tenant}
    record = {
        "topic": topic, "partition": 1, "offset": 2, "key": base64.b64encode(b"k").decode(),
        "value": base64.b64encode(json.dumps(value).encode()).decode(),
        "headers": [{name: list(text.encode())} for name, text in said.items()],
    }  # fmt: skip
    try:
        made = documents(record)
    except Refused:
        assert not isinstance(value, dict) or time == "now"
        return
    event = made[0]
    assert (event.id, event.index) == ("e", "audit-2026.02" if topic == "audit-log" else "stoa-events-2026.02")
    for document in made:
        action, source = read_back(document)
        (component,) = (c for prefix, c in INDICES.values() if document.index.startswith(prefix))
        assert fits(source, FIELDS[component])
        assert next(iter(action.values()))["_id"] == document.id
    assert sum(document.version is None for document in made) == len({d.index for d in made if d.version is None})
    assert len(made) <= 3


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=30) | st.none(), st.text(max_size=30) | st.none(), st.lists(st.none(), max_size=1))
def test_a_record_of_any_make_is_refused(key: str | None, value: str | None, headers: list[None]) -> None:
    record = {
        "topic": "git-pushes",
        "partition": 0,
        "offset": 0,
        "key": key,
        "value": value,
        "headers": headers or None,
    }
    with pytest.raises(Refused, match="NOT_A_CLOUDEVENT"):
        documents(record if not headers else {**record, "headers": [{"ce_id": [-1, 300]}]})
