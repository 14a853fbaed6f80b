"""Two commits compared."""

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, not_found
from local.emulators.gitlab.call import Call
from local.emulators.gitlab.commits import document
from local.emulators.gitlab.repository import Delta

NO_FILE = "000000"


def compare(call: Call) -> Response:
    """`straight` compares the two commits themselves, otherwise `to` with their merge base."""
    call.need("from", "to")
    repository, straight = call.repository, call.flag("straight")
    old, new = repository.resolve(call.text("from"), call.text("to"))
    if old is None or new is None:
        raise not_found("Ref")
    # histories that have nothing in common differ in everything
    base = old if straight or old == new else repository.merge_base(old, new) or repository.empty_tree
    commits = repository.commits("--reverse", new, f"^{old}", "--") if old != new else []
    deltas = repository.deltas(base, new, patch=True) if base != new else []
    incomplete = call.instance.variants.compare_timeout
    shown = [document(call, commit) for commit in commits]
    dots = ".." if straight else "..."
    return answer(
        {
            "commit": shown[-1] if shown else None,
            "commits": shown,
            "diffs": [_diff(delta) for delta in deltas[: len(deltas) // 2 if incomplete else None]],
            "compare_timeout": incomplete,
            "compare_same_ref": old == new,
            "web_url": f"{call.instance.url}/{call.project.full_path}/-/compare/{old}{dots}{new}",
        }
    )


def _diff(delta: Delta) -> Json:
    return {
        "diff": delta.diff,
        "collapsed": False,
        "too_large": False,
        "new_path": delta.new_path,
        "old_path": delta.old_path,
        "a_mode": "0" if delta.old_mode == NO_FILE else delta.old_mode,
        "b_mode": "0" if delta.new_mode == NO_FILE else delta.new_mode,
        "new_file": delta.status == "A",
        "renamed_file": delta.status == "R",
        "deleted_file": delta.status == "D",
        "generated_file": None,
    }
