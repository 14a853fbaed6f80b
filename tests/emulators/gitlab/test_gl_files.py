"""One file: read in three ways, written by a commit of its own."""

import base64
import hashlib
from typing import Any
from urllib.parse import unquote

import pytest

WRITE = {"branch": "main", "commit_message": "Write one"}


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("message") or answer.json()["error"]


def test_a_file_is_read_with_its_metadata(kit: Any) -> None:
    project = kit.seeded()
    body = kit.api.get(kit.file(project, "docs/guide.txt"), params={"ref": "main"}).json()
    commit = project.commits.get("main").id

    assert (body["file_name"], body["file_path"], body["size"]) == ("guide.txt", "docs/guide.txt", 8)
    assert (body["encoding"], base64.b64decode(body["content"])) == ("base64", b"a guide\n")
    assert body["content_sha256"] == hashlib.sha256(b"a guide\n").hexdigest()
    assert (body["ref"], body["commit_id"], body["last_commit_id"]) == ("main", commit, commit)
    assert (len(body["blob_id"]), body["execute_filemode"]) == (40, False)


def test_head_gives_the_metadata_as_headers(kit: Any) -> None:
    project = kit.seeded()
    read = kit.api.get(kit.file(project, "docs/guide.txt"), params={"ref": "main"})
    found = kit.api.head(kit.file(project, "docs/guide.txt"), params={"ref": "main"})

    assert (found.status_code, found.content) == (200, b"")
    for name, value in read.json().items():
        if name != "content":
            wanted = str(value).lower() if isinstance(value, bool) else str(value)
            assert found.headers[f"x-gitlab-{name.replace('_', '-')}"] == wanted
    assert kit.api.head(kit.file(project, "no.txt"), params={"ref": "main"}).status_code == 404


def test_headers_spell_an_odd_name_in_percent(kit: Any) -> None:
    project = kit.project(default_branch="main")
    names = [" first", "last ", "\ttab\t", "new\r\nline", "ümläut", "名", "100%", '"a" b']
    kit.write(project, {f"docs/{name}": name for name in names})
    for name in names:
        url = kit.file(project, f"docs/{name}")
        assert project.files.raw(f"docs/{name}", ref="main").decode() == name
        for found in (kit.api.get(f"{url}/raw"), kit.api.head(url, params={"ref": "main"})):
            assert found.headers["x-gitlab-file-name"].isascii()
            assert unquote(found.headers["x-gitlab-file-name"]) == name
            assert unquote(found.headers["x-gitlab-file-path"]) == f"docs/{name}"


def test_raw_gives_the_bytes_at_a_ref_or_the_default_branch(kit: Any) -> None:
    project = kit.seeded()
    kit.write(project, {"README.txt": "later\n"}, action="update")
    url = f"{kit.file(project, 'README.txt')}/raw"
    old, new = kit.api.get(url, params={"ref": "main~1"}), kit.api.get(url)

    assert (old.content, new.content) == (b"read me\n", b"later\n")
    assert new.headers["x-gitlab-last-commit-id"] == project.commits.get("main").id
    assert old.headers["x-gitlab-commit-id"] == project.commits.get("main~1").id


def test_a_path_must_be_fully_encoded(kit: Any) -> None:
    project = kit.seeded()
    url = f"/projects/{project.id}/repository/files"

    assert kit.api.get(f"{url}/docs%2Fguide.txt/raw").content == b"a guide\n"
    assert said(kit.api.get(f"{url}/docs/guide.txt/raw")) == (404, "404 Not Found")


def test_a_missing_file_or_ref_is_a_404_and_a_read_needs_a_ref(kit: Any) -> None:
    project = kit.seeded()

    assert said(kit.api.get(kit.file(project, "no.txt"), params={"ref": "main"})) == (404, "404 File Not Found")
    assert said(kit.api.get(kit.file(project, "docs"), params={"ref": "main"})) == (404, "404 File Not Found")
    assert said(kit.api.get(kit.file(project, "README.txt"), params={"ref": "no"})) == (404, "404 Commit Not Found")
    assert said(kit.api.get(kit.file(project, "README.txt"))) == (400, "ref is missing")


def test_a_file_is_created_updated_and_deleted_by_a_commit_each(kit: Any) -> None:
    project = kit.seeded()
    url = kit.file(project, "new/file.txt")
    made = kit.api.post(url, json={**WRITE, "content": "one", "author_name": "Ada", "execute_filemode": True})
    changed = kit.api.put(url, json={**WRITE, "content": base64.b64encode(b"two").decode(), "encoding": "base64"})
    read = project.files.get("new/file.txt", ref="main")
    gone = kit.api.delete(url, params=WRITE)

    assert (made.status_code, made.json()) == (201, {"file_path": "new/file.txt", "branch": "main"})
    assert (changed.status_code, changed.json()) == (200, {"file_path": "new/file.txt", "branch": "main"})
    assert (read.decode(), read.execute_filemode) == (b"two", True)
    assert (gone.status_code, gone.content) == (204, b"")
    commits = project.commits.list(get_all=True)
    assert [c.title for c in commits] == ["Write one"] * 3 + ["Write"]
    assert commits[2].author_name == "Ada"


def test_a_file_that_is_there_or_missing_is_refused(kit: Any) -> None:
    project = kit.seeded()
    body = {**WRITE, "content": "x"}

    assert said(kit.api.post(kit.file(project, "README.txt"), json=body)) == (
        400,
        "A file with this name already exists",
    )
    for refused in (
        kit.api.put(kit.file(project, "no.txt"), json=body),
        kit.api.delete(kit.file(project, "no.txt"), params=WRITE),
    ):
        assert said(refused) == (400, "A file with this name doesn't exist")
    assert said(kit.api.put(kit.file(project, "README.txt"), json=WRITE)) == (400, "content is missing")
    assert said(kit.api.post(kit.file(project, "a"), json={"content": "x"}))[0] == 400


@pytest.mark.parametrize("status", [400, 409])
def test_a_file_that_changed_meanwhile_is_refused(kit: Any, status: int) -> None:
    project = kit.seeded()
    seen = project.files.get("README.txt", ref="main").last_commit_id
    url = kit.file(project, "README.txt")
    kit.api.put(url, json={**WRITE, "content": "theirs", "last_commit_id": seen})
    with kit.variants(stale_write_status=status):
        updated = kit.api.put(url, json={**WRITE, "content": "mine", "last_commit_id": seen})
        deleted = kit.api.delete(url, params={**WRITE, "last_commit_id": seen})

    assert said(updated) == (
        status,
        "You are attempting to update a file that has changed since you started editing it.",
    )
    assert said(deleted) == (status, "You are attempting to delete a file that has been previously updated.")
    assert project.files.raw("README.txt", ref="main") == b"theirs"


def test_a_form_is_taken_like_json(kit: Any) -> None:
    project = kit.seeded()
    answer = kit.api.put(kit.file(project, "README.txt"), data={**WRITE, "content": "by form"})

    assert (answer.status_code, project.files.raw("README.txt", ref="main")) == (200, b"by form")
