"""Rate limits, pages of lists, and faults."""

import time
from typing import Any

import gitlab
import httpx
import pytest


def test_too_many_requests_are_plain_text_with_retry_after(kit: Any) -> None:
    kit.put("rate_limit", refuse=2, retry_after_s=7)

    for _ in range(2):
        refused = kit.api.get("/user")
        assert (refused.status_code, refused.text, refused.headers["retry-after"]) == (429, "Retry later\n", "7")
        assert refused.headers["content-type"].startswith("text/plain")
    assert kit.api.get("/user").status_code == 200


def test_a_limit_is_told_by_the_rate_limit_headers(kit: Any) -> None:
    kit.put("rate_limit", limit=2, period_s=60)
    first, second, third = (kit.api.get("/user") for _ in range(3))
    kit.put("rate_limit", limit=None)

    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("2", "1")
    assert (second.headers["ratelimit-observed"], second.headers["ratelimit-name"]) == (
        "2",
        "throttle_authenticated_api",
    )
    assert (third.status_code, third.text) == (429, "Retry later\n")
    assert 0 < int(third.headers["retry-after"]) <= 61
    assert 0 <= int(third.headers["ratelimit-reset"]) - time.time() <= 62
    assert "ratelimit-limit" not in kit.api.get("/user").headers


def test_the_library_waits_as_long_as_it_is_told(kit: Any) -> None:
    kit.put("rate_limit", refuse=1, retry_after_s=1)
    began = time.monotonic()
    kit.gitlab.auth()

    assert time.monotonic() - began >= 1


def test_a_file_above_10_mb_is_read_five_times_a_minute(kit: Any) -> None:
    project = kit.project()
    kit.write(project, {"large.txt": "x" * (10 * 2**20 + 1), "small.txt": "x"})
    answers = [kit.api.get(f"{kit.file(project, 'large.txt')}/raw") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert (answers[5].text, 0 < int(answers[5].headers["retry-after"]) <= 61) == ("Retry later\n", True)
    assert kit.api.get(f"{kit.file(project, 'small.txt')}/raw").status_code == 200


def test_a_list_leads_from_page_to_page(kit: Any) -> None:
    project = kit.project()
    kit.write(project, {f"{number}.txt": "" for number in range(5)})
    url = f"/projects/{project.id}/repository/tree"
    first, last = kit.api.get(url, params={"per_page": 2}), kit.api.get(url, params={"per_page": 2, "page": 3})

    assert [first.headers[f"x-{name}"] for name in ("page", "per-page", "next-page", "prev-page")] == [
        "1",
        "2",
        "2",
        "",
    ]
    assert (first.headers["x-total"], first.headers["x-total-pages"]) == ("5", "3")
    assert (last.headers["x-next-page"], last.headers["x-prev-page"], len(last.json())) == ("", "2", 1)
    assert set(first.links) == {"first", "next", "last"}
    assert kit.api.get(first.links["next"]["url"]).json()[0]["name"] == "2.txt"
    assert [entry["name"] for entry in project.repository_tree(iterator=True, per_page=2)] == [
        f"{number}.txt" for number in range(5)
    ]


def test_a_page_has_20_rows_and_never_more_than_100(kit: Any) -> None:
    project = kit.project()
    kit.write(project, {f"{number:03}.txt": "" for number in range(120)})
    url = f"/projects/{project.id}/repository/tree"

    assert [len(kit.api.get(url, params=p).json()) for p in ({}, {"per_page": 500}, {"per_page": 100, "page": 2})] == [
        20,
        100,
        20,
    ]


def test_a_page_that_is_no_number_is_a_400(kit: Any) -> None:
    refused = kit.api.get("/projects", params={"page": "two"})

    assert (refused.status_code, refused.json()) == (400, {"error": "page is invalid"})


def test_above_10000_rows_the_total_is_missing(kit: Any) -> None:
    project = kit.project()
    copy = kit.clone(project)
    files = "".join(f"M 100644 inline f{number:05}\ndata 0\n\n" for number in range(10_001))
    head = "commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 4\nMany\n"
    copy.git("fast-import", "--quiet", stdin=f"{head}{files}")
    copy.push("origin", "main")
    listed = kit.api.get(f"/projects/{project.id}/repository/tree", params={"per_page": 100, "page": 2})

    assert (listed.headers["x-next-page"], len(listed.json())) == ("3", 100)
    assert "x-total" not in listed.headers
    assert "last" not in listed.links


def test_a_large_list_is_walked_by_keyset(kit: Any) -> None:
    project = kit.project()
    kit.write(project, {f"{number}.txt": "" for number in range(5)})
    params = {"pagination": "keyset", "per_page": 2}
    first = kit.api.get(f"/projects/{project.id}/repository/tree", params=params)

    assert ("x-total" in first.headers, "x-next-page" in first.headers, set(first.links)) == (False, False, {"next"})
    walked = project.repository_tree(iterator=True, pagination="keyset", order_by="id", per_page=2)
    assert [entry["name"] for entry in walked] == [f"{number}.txt" for number in range(5)]


def test_an_outage_is_html_and_a_lock_is_a_409(kit: Any) -> None:
    kit.put("faults", mode="down", count=1)
    down = kit.api.get("/user")
    kit.put("faults", mode="fail", status=409, count=1)
    locked = kit.api.get("/user")
    kit.put("faults", mode="fail", status=429, count=1)
    limited = kit.api.get("/user")

    assert (down.status_code, down.headers["content-type"].startswith("text/html")) == (502, True)
    assert (locked.status_code, locked.json()) == (409, {"message": "409 Conflict: Resource lock"})
    assert (limited.status_code, limited.text) == (429, "Retry later\n")
    assert kit.api.get("/user").status_code == 200


def test_a_lost_answer_leaves_a_commit_that_is_found_by_its_trailer(kit: Any) -> None:
    project = kit.seeded()
    kit.put("faults", mode="drop", path="POST .*/commits$", count=1)
    with pytest.raises(httpx.TransportError):
        kit.commit(project, {"action": "create", "file_path": "new"}, commit_message="Add\n\nEvent-Id: e-1")

    (found,) = [c for c in project.commits.list(iterator=True) if c.trailers.get("Event-Id") == "e-1"]
    assert found.title == "Add"


def test_a_slow_answer_is_late_and_a_hanging_one_never_comes(kit: Any) -> None:
    kit.put("faults", mode="slow", delay_s=0.2, count=1)
    began = time.monotonic()
    assert kit.api.get("/user").status_code == 200
    assert time.monotonic() - began >= 0.2
    kit.put("faults", mode="hang", delay_s=0.1, count=1)
    with pytest.raises(httpx.TransportError):
        kit.api.get("/user")


def test_the_library_repeats_after_an_outage_when_told_to(kit: Any) -> None:
    patient = gitlab.Gitlab(kit.url, private_token=kit.api.headers["private-token"], retry_transient_errors=True)
    kit.put("faults", mode="fail", status=503, count=1)

    patient.auth()
    patient.session.close()
    assert patient.user is not None
