"""Each page of rules and the tests of its emulator name each other."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGES = sorted((HERE.parents[1] / "docs" / "emulators").glob("*.md"))


def test_every_emulator_has_its_page() -> None:
    assert {page.stem for page in PAGES} == {path.parent.name for path in HERE.glob("*/conftest.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_lists_every_test_once(page: Path) -> None:
    listed = re.findall(r"^\| \d+ \| .* \| `(test_\w+)` \|$", page.read_text(), re.MULTILINE)
    files = (HERE / page.stem).glob("test_*.py")
    there = [name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)]
    assert sorted(listed) == sorted(there)
