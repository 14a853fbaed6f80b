from collections.abc import Iterator

import pytest

from tests.emulators.argocd.kit import Kit, kits


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with kits(tmp_path_factory.mktemp("argocd")) as made:
        yield made
