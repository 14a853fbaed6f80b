"""Who may call, what is refused and in which shape, and what survives a kill."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from local.parts.ports import free_port
from tests.emulators.argocd.kit import PASSWORD, TOKEN, Kit, kits, sha


def test_what_changes_something_needs_the_content_type_json(kit: Kit) -> None:
    name, project = kit.app()
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for method, path in (("POST", f"applications/{name}/sync"), ("DELETE", f"applications/{name}/operation"),
                         ("POST", "session")):  # fmt: skip
        refused = kit.plain.request(method, f"/api/v1/{path}", params={"project": project}, headers=bearer)
        assert (refused.status_code, refused.text) == (415, "Invalid content type\n")
    form = {"content-type": "text/plain", **bearer}
    assert kit.plain.post(f"/api/v1/applications/{name}/sync", content=b"{}", headers=form).status_code == 415
    assert kit.plain.get("/api/v1/applications", headers=bearer).status_code == 200


def test_without_or_with_a_wrong_token_it_is_a_401(kit: Kit) -> None:
    for headers, said in (({}, "no session information"), ({"authorization": "Bearer nope"}, "invalid session: ")):
        refused = kit.plain.get("/api/v1/applications", headers=headers)
        body = refused.json()
        assert (refused.status_code, body["code"], body["error"]) == (401, 16, body["message"])
        assert body["message"].startswith(said)


def test_the_version_is_open(kit: Kit) -> None:
    assert kit.plain.get("/api/version").json()["Version"].startswith("v2.14")


def test_a_session_lasts_a_day_and_an_account_token_as_long_as_it_says(kit: Kit) -> None:
    def status(token: str) -> int:
        return kit.plain.get("/api/v1/applications", headers={"authorization": f"Bearer {token}"}).status_code

    wrong = kit.plain.post("/api/v1/session", json={"username": "admin", "password": ""})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Invalid username or password")
    session = kit.plain.post("/api/v1/session", json={"username": "admin", "password": PASSWORD}).json()["token"]
    short, lasting = (kit.api.post("/account/admin/token", json={"expiresIn": s}).json()["token"] for s in (60, 0))
    assert [status(token) for token in (session, short, lasting)] == [200, 200, 200]
    kit.later(61)
    assert [status(token) for token in (session, short, lasting)] == [200, 401, 200]
    kit.later(86_400)
    assert [status(token) for token in (session, short, lasting)] == [401, 401, 200]


def test_an_unknown_application_is_a_404_only_where_the_project_is_said(kit: Kit) -> None:
    name, project = kit.app()
    for one, query, status, code in (("nowhere", {}, 403, 7), ("nowhere", {"project": project}, 404, 5),
                                     (name, {"project": "another"}, 404, 5), (name, {}, 200, None)):  # fmt: skip
        answer = kit.api.get(f"/applications/{one}", params=query)
        assert (answer.status_code, answer.json().get("code")) == (status, code)
    refused = kit.api.post("/applications/nowhere/sync", json={"revision": sha()})
    assert (refused.status_code, refused.json()["message"]) == (403, "permission denied")


def test_a_list_is_of_projects_and_labels(kit: Kit) -> None:
    first, second = kit.app(labels={"tier": "gold"}), kit.app(labels={"tier": "lead"})

    def names(**query: str | list[str]) -> list[str] | None:
        items = kit.api.get("/applications", params=query).json()["items"]
        return None if items is None else [item["metadata"]["name"] for item in items]

    assert names(projects=[first[1], second[1]]) == [first[0], second[0]]
    assert names(projects=[first[1], second[1]], selector="tier=lead") == [second[0]]
    assert names(projects="nobody") is None


def test_a_body_that_is_no_object_is_a_400(kit: Kit) -> None:
    name, _ = kit.app()
    for content in (b"{", b"[1]"):
        refused = kit.api.post(f"/applications/{name}/sync", content=content)
        assert (refused.status_code, refused.json()["code"]) == (400, 3)


def test_an_unknown_resource_is_a_404(kit: Kit) -> None:
    assert kit.api.get("/nonsense").json() == {"error": "Not Found", "code": 5, "message": "Not Found"}
    assert kit.plain.put("/_emulator/nonsense", json={}).status_code == 404


def test_controls_refuse_what_they_do_not_know(kit: Kit) -> None:
    name, _ = kit.app()
    for control, body in (("timing", {"nonsense": 1}), ("timing", {"sync_s": "1"}), ("windows", {"a": "yes"}),
                          ("applicationset", {"applications": {"a": {"colour": 1}}}), ("applicationset", {}),
                          (f"applications/{name}", {"health": "Fine"}), ("faults", {"mode": "wild"})):  # fmt: skip
        assert kit.plain.put(f"/_emulator/{control}", json=body).status_code == 400, control


def test_faults_come_in_its_own_shape(kit: Kit) -> None:
    for status, code in ((429, 8), (503, 14), (500, 2)):
        kit.put("faults", mode="fail", status=status, count=1)
        refused = kit.api.get("/applications")
        assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_it_does_not_start_without_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.emulators.argocd", "--port", "1", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ARGOCD_TOKEN": ""})
    assert (done.returncode, "ARGOCD_TOKEN" in done.stderr) == (1, True)


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    port, revision = free_port(), sha()
    command = [sys.executable, "-m", "local.emulators.argocd", "--port", str(port), "--state", str(tmp_path)]

    def started() -> tuple[subprocess.Popen[bytes], Kit]:
        child = subprocess.Popen(command, env={**os.environ, "ARGOCD_TOKEN": TOKEN})
        kit = Kit(f"http://127.0.0.1:{port}")
        while child.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                kit.plain.get("/api/version")
                break
            time.sleep(0.02)
        return child, kit

    child, kit = started()
    app = kit.app()
    assert kit.sync(app, revision).status_code == 200
    child.kill()
    child.wait(60)
    kit.close()
    child, kit = started()
    kit.later()
    assert kit.read(app)["status"]["operationState"]["syncResult"]["revision"] == revision
    kit.close()
    child.terminate()
    child.wait(60)


def test_it_makes_and_prunes_what_the_folders_of_git_say(tmp_path: Path) -> None:
    repository = tmp_path / "repositories" / "1.git"
    git = ["git", "-C", str(repository), "-c", "user.name=Dev", "-c", "user.email=dev@example.com"]

    def run(*arguments: str, stdin: str = "") -> str:
        return subprocess.run(
            [*git, *arguments], input=stdin, capture_output=True, text=True, check=True
        ).stdout.strip()

    def commit(*apis: str) -> str:
        files = "".join(f"M 100644 inline tenants/acme/apis/{name}/deep/api.yaml\ndata 1\nx\n" for name in apis)
        run(
            "fast-import",
            "--quiet",
            "--force",
            stdin="commit refs/heads/main\ncommitter D <d@e> 0 +0000\ndata 0\n" + files,
        )
        return run("rev-parse", "main")

    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(repository)], check=True)
    with kits(tmp_path / "state", repositories=tmp_path / "repositories") as kit:
        assert kit.api.get("/applications").json()["items"] is None
        first = commit("orders", "pets")
        kit.later()
        compared = kit.read(("acme-orders", "acme"), refresh="normal")["status"]["sync"]
        assert (compared["status"], compared["revision"]) == ("OutOfSync", first)
        commit("orders")
        for _ in range(2):
            kit.later()
            items = kit.api.get("/applications").json()["items"]
        assert [item["metadata"]["name"] for item in items] == ["acme-orders"]
