"""Operations, health, windows, automatic sync, refreshes and pruning."""

import time
from typing import Any

from tests.emulators.argocd.kit import Kit, sha


def refusal(answer: Any) -> tuple[int, int, str]:
    return answer.status_code, answer.json()["code"], answer.json()["message"]


def test_a_sync_sets_the_operation_and_empties_its_state(kit: Kit) -> None:
    app, first, second = kit.app(), sha(), sha()
    assert kit.sync(app, first).status_code == 200
    kit.later()
    assert kit.read(app)["status"]["operationState"]["phase"] == "Succeeded"
    body = kit.sync(app, second).json()
    assert (body["operation"]["sync"]["revision"], body["status"]["operationState"]) == (second, None)


def test_an_operation_starts_runs_and_ends_later(kit: Kit) -> None:
    app, revision = kit.app(), sha()
    kit.put("timing", pickup_s=3, sync_s=3)
    kit.sync(app, revision)
    assert kit.read(app)["status"]["operationState"] is None
    kit.later(4)
    running = kit.read(app)
    state = running["status"]["operationState"]
    assert ("operation" in running, state["phase"], state["syncResult"]["revision"]) == (True, "Running", revision)
    kit.later(3)
    ended = kit.read(app)
    assert ("operation" in ended, ended["status"]["operationState"]["phase"]) == (False, "Succeeded")
    assert ended["status"]["operationState"]["finishedAt"] > state["startedAt"]
    assert [entry["revision"] for entry in ended["status"]["history"]] == [revision]
    kit.put("timing", pickup_s=0.05, sync_s=0.3)


def test_of_two_operations_one_is_refused(kit: Kit) -> None:
    app = kit.app()
    kit.sync(app, sha())
    assert refusal(kit.sync(app, sha())) == (400, 9, "another operation is already in progress")
    kit.later()
    assert kit.sync(app, sha()).status_code == 200


def test_a_closed_window_refuses_before_anything_else(kit: Kit) -> None:
    app = kit.app()
    kit.put("windows", **{app[1]: True})
    kit.sync(app, "no-such-branch")
    assert refusal(kit.sync(app, sha())) == (403, 7, "cannot sync: blocked by sync window")
    kit.put("windows", **{app[1]: False})
    assert kit.sync(app, sha()).status_code == 200


def test_a_revision_is_a_commit_or_the_target(kit: Kit) -> None:
    head = sha()
    app = kit.app(head=head)
    assert refusal(kit.sync(app, "nowhere")) == (400, 9, "Unable to resolve 'nowhere' to a commit SHA")
    assert kit.sync(app).json()["operation"]["sync"]["revision"] == head
    assert refusal(kit.api.post(f"/applications/{app[0]}/sync", json={"revision": 1}))[:2] == (400, 3)


def test_health_is_known_only_when_it_is_compared(kit: Kit) -> None:
    app = kit.app()
    kit.put("timing", settle_s=100, reconcile_s=10)
    kit.sync(app, sha())
    kit.later()
    assert kit.read(app)["status"]["health"]["status"] == "Missing"
    kit.later(20)
    compared = kit.read(app)["status"]
    assert compared["health"]["status"] == "Progressing"
    assert compared["reconciledAt"] > compared["operationState"]["finishedAt"]
    kit.later(100)
    assert kit.read(app)["status"]["health"]["status"] == "Healthy"
    kit.put(f"applications/{app[0]}", live="Degraded")
    assert kit.read(app)["status"]["health"]["status"] == "Healthy"
    kit.later(200)
    assert kit.read(app)["status"]["health"]["status"] == "Degraded"
    kit.put("timing", settle_s=0.3, reconcile_s=0.1)


def test_an_operation_can_fail(kit: Kit) -> None:
    app = kit.app()
    kit.put(f"applications/{app[0]}", outcome="Failed", message="one or more objects failed to apply")
    kit.sync(app, sha())
    kit.later()
    state = kit.read(app)["status"]["operationState"]
    assert (state["phase"], state["message"]) == ("Failed", "one or more objects failed to apply")
    assert kit.read(app)["status"]["history"] == []


def test_an_operation_can_be_stopped(kit: Kit) -> None:
    app, where = kit.app(), "/applications/{}/operation"
    stop = {"method": "DELETE", "url": where.format(app[0]), "params": {"project": app[1]}}
    assert refusal(kit.api.request(**stop))[:2] == (400, 9)  # type: ignore[arg-type]
    kit.put("timing", sync_s=600)
    kit.sync(app, sha())
    kit.later()
    assert kit.api.request(**stop).status_code == 200  # type: ignore[arg-type]
    assert kit.read(app)["status"]["operationState"]["phase"] == "Terminating"
    kit.later()
    state = kit.read(app)["status"]["operationState"]
    assert (state["phase"], state["message"]) == ("Failed", "Operation terminated")
    kit.put("timing", sync_s=0.3)


def test_automatic_sync_follows_its_target_and_refuses_another(kit: Kit) -> None:
    first, second = sha(), sha()
    app = kit.app(automated=True, head=first)
    assert kit.read(app)["spec"]["syncPolicy"]["automated"]["selfHeal"]
    assert refusal(kit.sync(app, second)) == (400, 9, f"Cannot sync to {second}: auto-sync currently set to main")
    kit.later()
    assert kit.read(app)["status"]["sync"] | {"comparedTo": None} == {
        "status": "Synced", "revision": first, "comparedTo": None,
    }  # fmt: skip
    kit.put(f"applications/{app[0]}", head=second)
    assert kit.read(app)["status"]["sync"]["revision"] == first
    kit.read(app, refresh="normal")
    kit.later()
    assert kit.read(app)["status"]["operationState"]["syncResult"]["revision"] == second
    assert kit.sync(app, "main").status_code == 200


def test_automatic_sync_waits_for_its_window_and_does_not_repeat_a_failure(kit: Kit) -> None:
    app = kit.app(automated=True, head=sha())
    kit.put("windows", **{app[1]: True})
    kit.put(f"applications/{app[0]}", head=sha(), outcome="Failed")
    kit.later()
    opened = kit.read(app, refresh="hard")["status"]
    assert opened["sync"]["status"] == "OutOfSync"
    kit.put("windows")
    kit.read(app, refresh="normal")
    kit.later()
    started = kit.read(app)["status"]["operationState"]["startedAt"]
    kit.later(500)
    assert kit.read(app)["status"]["operationState"]["startedAt"] == started


def test_what_keeps_an_application_from_syncing_is_shown(kit: Kit) -> None:
    app = kit.app()
    where, project = f"/applications/{app[0]}/syncwindows", {"project": app[1]}
    assert kit.api.get(where, params=project).json() == {"canSync": True}
    assert kit.api.get(where, params={"project": "other"}).status_code == 404
    kit.put("windows", **{app[1]: True})
    closed = kit.api.get(where, params=project).json()
    assert (closed["canSync"], closed["assignedWindows"]) == (False, closed["activeWindows"])
    assert [(window["kind"], window["manualSync"]) for window in closed["activeWindows"]] == [("deny", False)]
    kit.put("windows")


def test_a_refresh_answers_when_it_is_done_or_not_at_all(kit: Kit) -> None:
    app = kit.app()
    kit.put("timing", refresh_s=0.2)
    began = time.monotonic()
    assert "annotations" not in kit.read(app, refresh="normal")["metadata"]
    assert time.monotonic() - began >= 0.2
    kit.put("timing", refresh_s=60, refresh_deadline_s=0.1)
    late = kit.api.get(f"/applications/{app[0]}", params={"project": app[1], "refresh": "hard"})
    assert refusal(late) == (500, 2, "application refresh deadline exceeded")
    assert kit.read(app)["metadata"]["annotations"] == {"argocd.argoproj.io/refresh": "hard"}
    kit.put("timing", refresh_s=0.05, refresh_deadline_s=5)


def test_what_the_applicationset_no_longer_has_is_deleted_and_then_gone(kit: Kit) -> None:
    app = kit.app()
    kit.put("timing", prune_s=60)
    kit.prune(app[0])
    assert "deletionTimestamp" in kit.read(app)["metadata"]
    assert refusal(kit.sync(app, sha())) == (400, 9, "application is deleting")
    kit.later(61)
    gone = kit.api.get(f"/applications/{app[0]}", params={"project": app[1]})
    assert (gone.status_code, gone.json()["code"]) == (404, 5)
    kit.put("timing", prune_s=0.2)
