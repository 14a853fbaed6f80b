"""Others sync the same application, or have one of the same name."""

from collections.abc import Callable
from typing import Any

import pytest

from stoa.kernel.errors import Refused
from tests.emulators.argocd.kit import sha

Tell = Callable[..., Any]


def test_a_failed_sync_without_an_answer_undoes_no_rollback_that_came_after_it(story: Any) -> None:
    first, second = story.created(1), story.message("api-updated", 2)
    story.rollouts.sync(first)
    story.end()
    story.kit.put(f"applications/{story.application}", outcome="Failed")
    story.kit.put("faults", mode="drop", path="POST .*/sync$", count=1)
    story.waits(second)
    story.kit.later()
    story.kit.put(f"applications/{story.application}", outcome="Succeeded")
    story.kit.sync(story.app, first.data["commit"])
    assert story.waits(second).detail == "another operation is already in progress"
    story.kit.later()
    story.rollouts.sync(second)
    assert story.state == ("superseded", f"another operation, at {first.data['commit']}, came after it")
    story.kit.later()
    assert story.synced == [first.data["commit"]] * 2


def test_a_call_that_was_answered_no_is_made_again_whatever_came_after_it(story: Any) -> None:
    message, theirs = story.created(1), sha()
    story.kit.put("faults", mode="fail", status=429, path="POST .*/sync$", count=1)
    story.waits(message)
    story.kit.sync(story.app, theirs)
    story.kit.later()
    story.rollouts.sync(message)
    assert story.end()[0] == "succeeded"
    assert story.synced == [theirs, message.data["commit"]]


def test_two_apis_whose_applications_have_one_name_are_told_apart(tell: Tell) -> None:
    taken, other = tell(), tell()
    taken.rollouts.sync(taken.created())
    tenant, _, rest = taken.tenant.partition("-")
    other.tenant, wanted = tenant, f"{rest}-orders"  # tenant/0001-orders and tenant-0001/orders
    with pytest.raises(Refused) as refused:
        other.rollouts.sync(other.message("api-created", 1, api_id=wanted))
    assert (refused.value.code, refused.value.detail) == (
        "APPLICATION_NAME_TAKEN", f"the Argo CD application {taken.application} is that of {taken.tenant}/orders",
    )  # fmt: skip
    assert taken.end()[0] == "succeeded"
    taken.rollouts.sync(taken.message("api-deleted", 2))
    assert "has not made" in other.waits(other.message("api-created", 1, api_id=wanted)).detail, "it may have it now"
