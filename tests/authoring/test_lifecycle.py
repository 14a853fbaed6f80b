"""The lifecycle in api.yaml: read strictly, written as one line, with the comments of its people left alone."""

import pytest

from stoa.kernel.errors import Refused
from stoa.repository.dialect import Lifecycle
from stoa.repository.lifecycle import restated, stated
from tests.authoring.desk import FOLDER, Author

FILE = """\
# ours
apiVersion: stoa.cab-i.com/v1
kind: API
spec:
    # what people see
    displayName: Orders   # not "Order"
    version: 1.0.0
    policies:
        rateLimit: {requests: 5}
"""
BLOCK = """\
    lifecycle:
        state: deprecated  # at last
        # the day of the move
        sunset: 2027-01-01T00:00:00Z
        deprecated: 2026-01-01T00:00:00Z
"""
ENDS = Lifecycle(state="deprecated", deprecated="2026-01-01T00:00:00Z", sunset="2027-01-01T00:00:00Z")
LINE = "    lifecycle: {state: deprecated, deprecated: 2026-01-01T00:00:00Z, sunset: 2027-01-01T00:00:00Z}\n"
PUBLISHED = Lifecycle(state="published")


def written(text: str, lifecycle: Lifecycle) -> str:
    made = restated(text.encode(), "api.yaml", lifecycle)
    assert stated(made, "api.yaml") == lifecycle
    return made.decode()


def test_one_line_changes_and_every_comment_stays() -> None:
    before, after = FILE.split("    displayName")
    once = f"{before}{LINE}    displayName{after}"
    assert written(FILE, ENDS) == once
    assert written(once, ENDS) == once
    assert written(once, PUBLISHED) == once.replace(LINE, "    lifecycle: {state: published}\n")
    within = FILE.replace("    version", f"{BLOCK}    version")
    assert written(within, ENDS) == FILE.replace("    version", f"{LINE}    version")
    assert written(within.replace("\n", "\r\n"), ENDS).count("\r\n") == FILE.count("\n") + 1


@pytest.mark.parametrize("text", ["spec: {displayName: a}\nx: 1\n", "spec:\n  'displayName': a\n", "spec: {}\n"])
def test_where_no_line_can_be_found_the_file_is_written_anew(text: str) -> None:
    assert "state: published" in written(text, PUBLISHED)


@pytest.mark.parametrize(
    "said",
    [
        "{state: retired}",
        "{state: published, sunset: 2027-01-01T00:00:00Z}",
        "{state: deprecated, sunset: 2027-01-01T00:00:00Z}",
        "{state: deprecated, deprecated: 2027-02-31T00:00:00Z, sunset: 2028-01-01T00:00:00Z}",
        "{state: deprecated, deprecated: 2027-01-02T00:00:00Z, sunset: 2027-01-01T00:00:00Z}",
        "{state: deprecated, deprecated: 2027-01-01, sunset: 2028-01-01T00:00:00Z}",
        "{state: published, colour: red}",
        "${STATE}",
        "",
    ],
)
def test_anything_else_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="FILE_INVALID"):
        stated(f"spec:\n  lifecycle: {said}\n".encode(), "api.yaml")


def test_who_says_nothing_has_a_draft() -> None:
    assert stated(FILE.encode(), "api.yaml") == Lifecycle()


def test_what_a_person_pushes_is_read_and_what_nobody_can_read_changes_nothing(author: Author) -> None:
    author.done()
    path = f"{FOLDER}/api.yaml"
    text = author.files[path]
    for pushed, state in ((restated(text.encode(), path, ENDS).decode(), "deprecated"), ("spec: [", "deprecated"),
                          (text, "draft"), (text + "  lifecycle: {state: published}\n", "published")):  # fmt: skip
        author.commit({path: pushed})
        author.plan()
        assert author.api["lifecycle"]["state"] == state  # type: ignore[index]
    author.commit({f"{FOLDER}/openapi.yaml": "x"})
    author.plan()
    assert author.events("api-updated")[-1]["lifecycle"] == {"state": "published", "deprecated": None, "sunset": None}
