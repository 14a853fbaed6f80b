"""The texts: whatever a value holds, it stays a value, and fits."""

import re
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.emulators.people.blocks import refusal
from stoa.adapters.email import Mail
from stoa.adapters.slack import escaped, fitted
from stoa.notifications import templates
from stoa.notifications.model import DIGEST, LINES, TRIES, TYPES, pause_s

junk = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    [
        "<!channel>",
        "<https://evil.example|click>",
        "&lt;",
        "a\r\nBcc: x@evil.example",
        "x" * 5_000,
        "&" * 5_000,
        "$what",
        "`",
    ]
)
fault = st.none() | st.fixed_dictionaries({}, optional={name: junk for name in ("code", "detail", "hint", "place")})
data = st.fixed_dictionaries(
    {},
    optional={
        **{name: junk for name in ("api_id", "environment", "status", "api_version", "commit", "requested_by")},
        "action": st.sampled_from(["deploy", "undeploy"]),
        "duration_ms": st.none() | st.integers(-5, 10**9),
        "error": fault,
    },
)
digests = st.builds(
    templates.of_digest, junk, junk, st.dictionaries(st.sampled_from(TYPES), st.integers(1, 99), min_size=1),
    st.lists(junk.map(templates.line), min_size=1, max_size=LINES + 3),
)  # fmt: skip
texts = st.tuples(st.sampled_from(TYPES), st.builds(templates.of_deployment, data, junk, junk)) | st.tuples(
    st.just(DIGEST), digests
)


def strings(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for each in inner for text in strings(each)]


@settings(max_examples=100, deadline=None)
@given(texts)
def test_slack_takes_every_message_and_no_value_becomes_markup(text: tuple[str, templates.Values]) -> None:
    made = templates.slack(*text)
    assert refusal(made) is None
    for each in strings(made):
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", each)


@settings(max_examples=50, deadline=None)
@given(texts)
def test_a_mail_has_the_headers_that_we_gave_it_and_no_other(text: tuple[str, templates.Values]) -> None:
    name, values = text
    mail = Mail("", 25, "stoa@example.com")
    message = mail._message("ada@example.com", templates.subject(name, values), templates.body(name, values), "e-1")
    read = BytesParser(policy=default).parsebytes(message.as_bytes())
    assert sorted(read.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "X-Stoa-Event-Id", "Auto-Submitted", "Content-Type",
         "Content-Transfer-Encoding", "MIME-Version"]
    )  # fmt: skip
    assert read["To"] == "ada@example.com"


@given(st.text("a&<>", max_size=60), st.integers(1, 40))
def test_a_text_is_cut_to_its_limit_and_never_inside_an_entity(text: str, limit: int) -> None:
    cut = fitted(escaped(text), limit)
    assert len(cut) <= limit
    assert cut == escaped(text) or cut.endswith("…")
    unescaped = cut.removesuffix("…").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert text.startswith(unescaped)


@pytest.mark.parametrize("name", [*TYPES, DIGEST])
def test_what_has_no_value_is_left_out_with_its_label(name: str) -> None:
    values = templates.of_deployment({"api_id": "orders", "environment": "dev"}, "trc-1", "e-1")
    values = templates.of_digest("team", "e-1", {"deploy_failed": 1}, ["one"]) if name == DIGEST else values
    text = str(templates.slack(name, values)) + templates.body(name, values)
    assert not re.search(r"Commit|What to do|Where|Took|more", text.replace("Too many", ""))
    assert "e-1" in text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, ""),
        (-1, ""),
        (True, ""),
        (900, "0.9 s"),
        (59_940, "59.9 s"),
        (61_000, "1 min 1 s"),
        (7_260_000, "2 h 1 min"),
    ],
)
def test_a_duration_is_said_as_a_person_would(ms: Any, text: str) -> None:
    assert templates.duration(ms) == text


def test_the_pauses_outlast_two_hours_and_end() -> None:
    assert 2 * 3600 < sum(pause_s(n) for n in range(1, TRIES)) < 4 * 3600
