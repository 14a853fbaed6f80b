"""The way of a job, who may run when, and how it is stopped."""

import json
import time
from typing import Any


def test_a_job_walks_from_pending_over_waiting_and_running_to_its_end(flowing: Any, wanted: Any) -> None:
    with flowing.timing(pending_s=0.15, waiting_s=0.15, running_s=0.15):
        job = flowing.launch(3, extra_vars=wanted())
        assert (job["status"], job["started"], job["finished"]) == ("pending", None, None)
        seen = [job["status"]]
        while seen[-1] not in ("successful", "failed"):
            now = flowing.job(job["id"])
            if now["status"] != seen[-1]:
                seen.append(now["status"])
            time.sleep(0.01)

    assert seen == ["pending", "waiting", "running", "successful"]
    ended = flowing.wait(job["id"])
    assert ended["started"] < ended["finished"]
    assert ended["elapsed"] > 0.1
    assert (ended["failed"], ended["event_processing_finished"]) == (False, True)


def test_a_run_without_ansible_leaves_the_same_artifacts(flowing: Any, wanted: Any) -> None:
    variables = wanted()

    ended = flowing.wait(flowing.launch(3, extra_vars=variables)["id"])

    result = ended["artifacts"]["stoa_result"]
    assert (result["outcome"], result["verified"]) == ("applied", True)
    assert result["deployment_id"] == variables["deployment_id"]
    assert ended["host_status_counts"] == {"ok": 1}


def test_a_failed_run_is_failed_with_its_artifacts(flowing: Any, wanted: Any) -> None:
    ended = flowing.wait(flowing.launch(3, extra_vars=wanted(nonsense=1))["id"])

    assert (ended["status"], ended["failed"]) == ("failed", True)
    assert ended["artifacts"]["stoa_result"]["outcome"] == "refused"


def test_a_run_that_dies_is_an_error(flowing: Any) -> None:
    ended = flowing.wait(flowing.launch(3, extra_vars={"nonsense": True})["id"])

    assert (ended["status"], ended["failed"], ended["result_traceback"] != "") == ("error", True, True)


def test_jobs_of_one_template_run_one_at_a_time_unless_it_allows_more(flowing: Any) -> None:
    alone, together = flowing.template(), flowing.template(allow_simultaneous=True)
    with flowing.timing(running_s=30):
        first, second = flowing.launch(alone)["id"], flowing.launch(alone)["id"]
        other = flowing.launch(together)["id"]
        flowing.wait(first, "running")
        flowing.wait(other, "running")
        assert flowing.job(second)["status"] == "pending"
        flowing.api.post(f"/jobs/{first}/cancel/")
        flowing.wait(second, "running")
        for number in (second, other):
            flowing.api.post(f"/jobs/{number}/cancel/")
            flowing.wait(number)


def test_no_more_jobs_run_than_there_are_slots_the_oldest_first(flowing: Any) -> None:
    with flowing.timing(running_s=30):
        jobs = [flowing.launch()["id"] for _ in range(4)]
        for number in jobs[:2]:
            flowing.wait(number, "running")
        assert [flowing.job(number)["status"] for number in jobs[2:]] == ["pending", "pending"]
        flowing.api.post(f"/jobs/{jobs[0]}/cancel/")
        flowing.wait(jobs[2], "running")
        assert flowing.job(jobs[3])["status"] == "pending"
        for number in reversed(jobs[1:]):
            flowing.api.post(f"/jobs/{number}/cancel/")
            flowing.wait(number)


def test_a_pending_job_is_cancelled_with_202_and_nothing_more(kit: Any) -> None:
    job = kit.launch()["id"]
    assert kit.api.get(f"/jobs/{job}/cancel/").json() == {"can_cancel": True}

    answer = kit.api.post(f"/jobs/{job}/cancel/")

    assert (answer.status_code, answer.content) == (202, b"")
    ended = kit.job(job)
    assert (ended["status"], ended["failed"], ended["started"]) == ("canceled", True, None)
    assert ended["canceled_on"] is not None


def test_a_waiting_and_a_running_job_are_cancelled(flowing: Any, wanted: Any) -> None:
    for timing, status in (({"waiting_s": 30}, "waiting"), ({"running_s": 30}, "running")):
        variables = wanted()
        with flowing.timing(**timing):
            job = flowing.launch(3, extra_vars=variables)["id"]
            flowing.wait(job, status)
            assert flowing.api.post(f"/jobs/{job}/cancel/").status_code == 202
            ended = flowing.wait(job)
        assert (ended["status"], ended["artifacts"], ended["failed"]) == ("canceled", {}, True)


def test_a_finished_job_cannot_be_cancelled(kit: Any) -> None:
    job = kit.launch()["id"]
    kit.api.post(f"/jobs/{job}/cancel/")

    assert kit.api.get(f"/jobs/{job}/cancel/").json() == {"can_cancel": False}
    answer = kit.api.post(f"/jobs/{job}/cancel/")
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "POST" not allowed.'})


def test_results_are_complete_only_when_the_events_are_processed(flowing: Any, wanted: Any) -> None:
    with flowing.timing(events_s=0.5):
        job = flowing.launch(3, extra_vars=wanted())["id"]
        early = flowing.wait(job, "successful")
        assert (early["event_processing_finished"], early["artifacts"]) == (False, {})
        assert flowing.wait(job)["artifacts"]["stoa_result"]["outcome"] == "applied"


def test_a_finished_job_can_be_deleted_and_is_then_unknown(kit: Any) -> None:
    job = kit.launch()["id"]

    assert kit.api.delete(f"/jobs/{job}/").status_code == 400
    kit.api.post(f"/jobs/{job}/cancel/")
    assert kit.api.delete(f"/jobs/{job}/").status_code == 204
    assert kit.api.get(f"/jobs/{job}/").status_code == 404


def test_timing_modes_and_variants_are_checked(kit: Any) -> None:
    for path, body in (
        ("timing", {"nonsense": 1}),
        ("timing", {"pending_s": -1}),
        ("timing", {"pending_s": "1"}),
        ("notifications", {"mode": "often"}),
        ("notifications", {}),
        ("variants", {"short_lists": 1}),
        ("variants", {"nonsense": True}),
    ):
        assert kit.plain.put(f"/_emulator/{path}", content=json.dumps(body)).status_code == 400
    assert kit.plain.get("/_emulator/notifications").json() == {"mode": "normal"}
    assert kit.plain.get("/_emulator/variants").json() == {"short_lists": True}
