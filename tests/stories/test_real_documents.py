"""Documents that others wrote: pushed as they are, converted, imported, served."""

from typing import Any

from tests.stories.documents import DATA, needs_them, pushed_and_served


@needs_them
def test_every_real_document_is_served_as_its_author_pushed_it(lab: Any) -> None:
    pushed_and_served(lab, sorted(DATA.glob("*.json")))
