"""Which real systems this machine has, and why it has not the others."""

import shutil
from pathlib import Path

from local.parts.keycloak import home_of
from local.parts.opensearch import downloaded

BUILD = Path(__file__).resolve().parents[2] / "build"
KEYCLOAK = BUILD / "keycloak"
OPENSEARCH = BUILD / "opensearch-jars"


def keycloak_is_missing() -> str:
    """Empty when it is there."""
    return "" if home_of(KEYCLOAK).exists() else f"no Keycloak in {KEYCLOAK}: `make test-real` downloads it"


def opensearch_is_missing() -> str:
    """Empty when it is there."""
    if shutil.which("java") is None:
        return "no Java on PATH, 17 or newer, for a real OpenSearch"
    return "" if downloaded(OPENSEARCH) else f"no OpenSearch in {OPENSEARCH}: `make test` downloads it by Maven"
