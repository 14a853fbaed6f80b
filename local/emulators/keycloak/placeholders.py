"""`${NAME}` and `${NAME:default}` in an import file, as Keycloak resolves them from its environment.

Keycloak leaves a name that it does not find as it stands (its own texts, `${client_account}`, live on that), so that a
forgotten secret would be the well-known text `${..}`. Here every name in capitals must have a value.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::([^}]*))?\}")


def read(file: Path, environment: Mapping[str, str]) -> Any:
    """The file's JSON. Raises ValueError naming every placeholder without a value."""
    text = file.read_text()
    missing = sorted({name for name, default in names(text) if default is None and not environment.get(name)})
    if missing:
        raise ValueError(f"{file.name} needs a value for {', '.join(missing)} in the environment")
    return _resolved(json.loads(text), environment)


def names(text: str) -> list[tuple[str, str | None]]:
    """Every placeholder with its default."""
    return [(match[1], match[2]) for match in PLACEHOLDER.finditer(text)]


def _resolved(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: environment.get(match[1]) or match[2] or "", value)
    if isinstance(value, list):
        return [_resolved(one, environment) for one in value]
    if isinstance(value, dict):
        return {key: _resolved(one, environment) for key, one in value.items()}
    return value
