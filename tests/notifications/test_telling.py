"""From a deploy result to one event per channel that wants it, once."""

from typing import Any

from stoa.notifications import events


def test_every_channel_that_wants_the_kind_gets_one_event_without_an_address(desk: Any) -> None:
    slack, mail = desk.slack(), desk.mail(messages=["deploy_success"])
    failed, good = desk.result("failed"), desk.result("success")
    told = desk.told(failed, good)
    assert [(m.key, m.data["type"], m.data["caused_by"]) for m in told] == [
        (f"{desk.tenant}/team", "deploy_failed", failed.id),
        (f"{desk.tenant}/mail", "deploy_success", good.id),
        (f"{desk.tenant}/team", "deploy_success", good.id),
    ]
    first = told[0]
    assert first.data["recipients"] == ["team"]
    assert (first.data["template"], first.data["tenant"], first.trace_id) == (
        "deploy_failed",
        desk.tenant,
        failed.trace_id,
    )
    assert first.data["data"]["error"] == {
        "code": "IMPORT_REFUSED",
        "detail": "no paths",
        "hint": "add one",
        "place": "api.yaml:3",
    }
    written = "".join(str(m.data) for m in told)
    assert mail.target not in written
    assert slack.target not in written
    assert all(events.read(m).channel in ("team", "mail") for m in told)


def test_a_result_that_comes_again_is_told_once(desk: Any) -> None:
    desk.slack()
    result = desk.result()
    assert len(desk.told(result, result)) == 1


def test_what_was_superseded_or_cancelled_is_told_to_those_who_asked_and_nothing_to_a_channel_that_is_off(
    desk: Any,
) -> None:
    desk.slack()
    desk.slack("all", messages=["deploy_superseded", "deploy_cancelled"])
    desk.slack("off", messages=["deploy_superseded", "deploy_failed"], enabled=False)
    told = desk.told(desk.result("superseded"), desk.result("cancelled"))
    assert [(m.key, m.data["type"]) for m in told] == [
        (f"{desk.tenant}/all", "deploy_superseded"),
        (f"{desk.tenant}/all", "deploy_cancelled"),
    ]


def test_a_tenant_without_channels_is_told_nothing(desk: Any) -> None:
    assert desk.told() == []
