"""Comparisons and trees."""

from typing import Any

import gitlab
import pytest


def paths(comparison: dict[str, Any]) -> list[str]:
    return [diff["new_path"] for diff in comparison["diffs"]]


def test_a_comparison_has_commits_upwards_and_diffs(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    made = [copy.commit("One", file="0\n1\n"), copy.commit("Two", other="x\n")]
    copy.push("origin", "main")
    found = project.repository_compare("main~2", "main")

    assert [commit["id"] for commit in found["commits"]] == made
    assert (found["commit"]["id"], found["compare_timeout"], found["compare_same_ref"]) == (made[1], False, False)
    assert paths(found) == ["file.txt", "other.txt"]
    changed, added = found["diffs"]
    assert (changed["diff"], changed["new_file"]) == ("@@ -1 +1,2 @@\n 0\n+1\n", False)
    assert (added["new_file"], added["a_mode"], added["b_mode"], added["diff"]) == (
        True,
        "0",
        "100644",
        "@@ -0,0 +1 @@\n+x\n",
    )


def test_renames_and_removals_are_flagged(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.commit("Add", gone="bye\n", moved="some\nlines\nto\nrecognize\n")
    copy.git("mv", "moved.txt", "there.txt")
    copy.git("rm", "--quiet", "gone.txt")
    copy.commit("Move")
    copy.push("origin", "main")
    removed, renamed = project.repository_compare("main~1", "main")["diffs"]

    assert (removed["deleted_file"], removed["old_path"], removed["b_mode"]) == (True, "gone.txt", "0")
    assert (renamed["renamed_file"], renamed["old_path"], renamed["new_path"]) == (True, "moved.txt", "there.txt")
    assert (renamed["diff"], renamed["new_file"], renamed["deleted_file"]) == ("", False, False)


def test_links_modes_and_binary_files_are_compared(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.commit("Before", mode="1\n", type="1\n")
    (copy.folder / "type.txt").unlink()
    (copy.folder / "type.txt").symlink_to("mode.txt")
    (copy.folder / "mode.txt").chmod(0o755)
    (copy.folder / "bytes").write_bytes(bytes(range(256)))
    copy.commit("After", zuletzt="last\n")
    copy.push("origin", "main")
    binary, mode, kind, last = project.repository_compare("main~1", "main")["diffs"]

    assert (binary["new_path"], binary["diff"].startswith("Binary files ")) == ("bytes", True)
    assert (mode["a_mode"], mode["b_mode"], mode["diff"]) == ("100644", "100755", "")
    assert (kind["a_mode"], kind["b_mode"], "+mode.txt" in kind["diff"]) == ("100644", "120000", True)
    assert last["diff"] == "@@ -0,0 +1 @@\n+last\n"


def test_straight_compares_the_commits_and_otherwise_the_merge_base(kit: Any) -> None:
    project = kit.seeded()
    project.branches.create({"branch": "side", "ref": "main"})
    kit.write(project, {"on-main": "main\n"})
    kit.write(project, {"on-side": "side\n"}, branch="side")
    by_base = project.repository_compare("main", "side")
    straight = project.repository_compare("main", "side", straight=True)

    assert (paths(by_base), [(d["new_path"], d["deleted_file"]) for d in straight["diffs"]]) == (
        ["on-side"],
        [("on-main", True), ("on-side", False)],
    )
    assert by_base["commits"] == straight["commits"]


def test_the_same_ref_and_an_unknown_one(kit: Any) -> None:
    project = kit.seeded()
    same = project.repository_compare("main", "HEAD")

    assert (same["commit"], same["commits"], same["diffs"], same["compare_same_ref"]) == (None, [], [], True)
    with pytest.raises(gitlab.GitlabGetError, match="404 Ref Not Found"):
        project.repository_compare("main", "0" * 40)
    missing = kit.api.get(f"/projects/{project.id}/repository/compare", params={"from": "main"})
    assert (missing.status_code, missing.json()) == (400, {"error": "to is missing"})


def test_histories_with_nothing_in_common_differ_in_everything(kit: Any) -> None:
    project = kit.project()
    copy = kit.pushed(project)
    copy.git("checkout", "--quiet", "--orphan", "apart")
    copy.commit("Apart", other="1\n")
    copy.push("origin", "apart")

    assert paths(project.repository_compare("main", "apart")) == ["file.txt", "other.txt"]


def test_a_comparison_that_timed_out_is_incomplete(kit: Any) -> None:
    project = kit.seeded()
    kit.write(project, {"a": "", "b": ""})
    with kit.variants(compare_timeout=True):
        found = project.repository_compare("main~1", "main")

    assert (found["compare_timeout"], len(found["diffs"])) == (True, 1)
    assert len(project.repository_compare("main~1", "main")["diffs"]) == 2


def test_a_tree_is_listed_flat_or_recursively(kit: Any) -> None:
    project = kit.seeded()
    flat = project.repository_tree(get_all=True)

    assert [(entry["path"], entry["type"]) for entry in flat] == [
        ("docs", "tree"),
        ("tools", "tree"),
        ("README.txt", "blob"),
    ]
    everything = [entry["path"] for entry in project.repository_tree(recursive=True, get_all=True)]
    assert everything == ["docs", "tools", "README.txt", "docs/guide.txt", "tools/run.txt"]
    (guide,) = project.repository_tree(path="docs", get_all=True)
    assert (guide["name"], guide["path"], guide["mode"]) == ("guide.txt", "docs/guide.txt", "100644")
    assert len(guide["id"]) == 40


def test_a_tree_that_is_not_there_is_a_404(kit: Any) -> None:
    project = kit.seeded()
    url = f"/projects/{project.id}/repository/tree"

    for params, message in (
        ({"path": "nowhere"}, "404 invalid revision or path Not Found"),
        ({"path": "README.txt"}, "404 invalid revision or path Not Found"),
        ({"ref": "nowhere"}, "404 Tree Not Found"),
    ):
        refused = kit.api.get(url, params=params)
        assert (refused.status_code, refused.json()) == (404, {"message": message})
    assert kit.api.get(f"/projects/{kit.project().id}/repository/tree").status_code == 404
