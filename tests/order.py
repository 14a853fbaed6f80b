"""Which tests two workers begin with, and which of them one worker does alone.

Whoever has nothing left waits for the other, so that the longest go first; `pytest -n 2 --dist loadfile` would begin
with the files that have the most tests. Some folders share what is slow to make, and stay together.
"""

from functools import cache
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadFileScheduling

STORIES = "tests/stories"
# a platform, and templates whose synthesis takes half a minute: made once for all tests of the folder
TOGETHER = (STORIES, "tests/cdk")
# those of one platform behind each other; the one that kills its parts is its last
SHARED = (
    "test_everyone_knows",
    "test_pushes",
    "test_by_hand",
    "test_members_by_git",
    "test_push_to_gateway",
    "test_real_documents",
    "test_outages",
    "test_played",
)
# more than ten seconds each, on a machine of two cores; what is missing here costs seconds, and nothing else
LONG = (
    STORIES,
    "tests/cdk",
    "tests/local/test_stack_again.py",
    "tests/archive",
    "tests/parts",
    "tests/flows",
    "tests/emulators/awx",
    "tests/playbooks",
    "tests/functions",
    "tests/runtime",
    "tests/search",
    "tests/notifications",
    "tests/local/test_homes.py",
    "tests/gitops",
    "tests/openapi",
    "tests/authoring",
    "tests/members",
    "tests/bench",
    "tests/real",
)


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


@cache
def rank(file_name: str) -> tuple[int, int]:
    """Smaller is earlier; what is equal stays in order."""
    file = PurePosixPath(file_name)
    place = next((number for number, path in enumerate(LONG) if file.is_relative_to(path)), len(LONG))
    story = SHARED.index(file.stem) if file.is_relative_to(STORIES) and file.stem in SHARED else len(SHARED)
    return place, story


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # without types
    """By file, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return next((folder for folder in TOGETHER if PurePosixPath(file).is_relative_to(folder)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(file_of(item.nodeid)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LongestFirst | None:
    if config.option.dist != "loadfile":
        return None
    config.option.loadscopereorder = False
    return LongestFirst(config, log)
