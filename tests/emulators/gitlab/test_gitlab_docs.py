"""The page of rules and the tests name each other."""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "emulators" / "gitlab.md"


def test_the_page_lists_every_test_once() -> None:
    listed = re.findall(r"^\| \d+ \| .* \| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    files = [path for path in HERE.glob("test_*.py") if path != Path(__file__).resolve()]
    there = [name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)]

    assert sorted(listed) == sorted(there)
