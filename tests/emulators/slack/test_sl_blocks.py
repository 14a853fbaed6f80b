"""The limits of Block Kit: what is one too many is refused, what is just enough is not."""

from typing import Any

import pytest


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, **more}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(text)}


GOOD = [
    {"text": "x" * 40_000},
    {"blocks": [{"type": "header", "text": plain("x" * 150)}]},
    {"blocks": [section("x" * 3_000)] * 50},
    {"blocks": [{"type": "section", "fields": [mrkdwn("x" * 2_000, verbatim=True)] * 10}]},
    {"blocks": [{"type": "context", "elements": [mrkdwn("x")] * 10}, {"type": "divider"}]},
]
BAD_BLOCKS = [
    [section("x")] * 51,
    [{"type": "header", "text": plain("x" * 151)}],
    [{"type": "header", "text": mrkdwn("x")}],
    [section("x" * 3_001)],
    [section("")],
    [{"type": "section"}],
    [{"type": "section", "fields": []}],
    [{"type": "section", "fields": [mrkdwn("x")] * 11}],
    [{"type": "section", "fields": [mrkdwn("x" * 2_001)]}],
    [{"type": "context", "elements": []}],
    [{"type": "context", "elements": [mrkdwn("x")] * 11}],
    [{"type": "section", "text": {"type": "markdown", "text": "x"}}],
    [{"type": "section", "text": {**plain("x"), "verbatim": True}}],
    [{"type": "section", "text": mrkdwn("x", verbatim="yes")}],
    [{"type": "section", "text": mrkdwn("x"), "colour": "red"}],
    [{"type": "section", "text": mrkdwn("x"), "block_id": "x" * 256}],
    [{"type": "no_such_block"}],
    ["text"],
    {"type": "divider"},
]


@pytest.mark.parametrize("payload", GOOD)
def test_what_is_just_within_the_limits_is_taken(people: Any, payload: dict[str, Any]) -> None:
    assert people.post(people.webhook(), payload) == (200, "ok")


@pytest.mark.parametrize("blocks", BAD_BLOCKS)
def test_a_block_that_slack_does_not_know_or_that_is_too_long_is_refused(people: Any, blocks: Any) -> None:
    assert people.post(people.webhook(), {"text": "x", "blocks": blocks}) == (400, "invalid_blocks")


@pytest.mark.parametrize(
    ("payload", "word"),
    [
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "invalid_payload"),
        ({"text": 1}, "invalid_payload"),
        ({"text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
    ],
)
def test_a_message_needs_a_text_that_fits(people: Any, payload: dict[str, Any], word: str) -> None:
    assert people.post(people.webhook(), payload) == (400, word)
