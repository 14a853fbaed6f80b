"""The allow-list of the gateway's admin API: one OpenAPI document, which the gateway publishes and our proxy obeys."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

NAME = "Gateway-Admin-API"
ID = r"^[A-Za-z0-9-]{1,64}$"
METHODS = frozenset({"get", "put", "post", "delete"})


@dataclass(frozen=True)
class Operation:
    """One call that the admin API may get; `path` is below its base, with `{id}` for the one id that it may have."""

    id: str
    method: str
    path: str

    def path_of(self, object_id: str) -> str:
        """Raises ValueError for an id that could be more than one segment, or that the path has no place for."""
        if ("{id}" in self.path) != bool(object_id) or (object_id and not re.fullmatch(ID, object_id)):
            raise ValueError(f"{self.id} does not take this id")
        return self.path.replace("{id}", object_id)


def path() -> Path:
    """Where the document is."""
    return Path(__file__).with_name("admin_api.openapi.json")


@cache
def document() -> bytes:
    """The document as it is imported."""
    return path().read_bytes()


def sha256() -> str:
    return hashlib.sha256(document()).hexdigest()


@cache
def version() -> str:
    return str(json.loads(document())["info"]["version"])


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation of the document, by its id."""
    paths: Mapping[str, Mapping[str, Any]] = json.loads(document())["paths"]
    return {
        one["operationId"]: Operation(one["operationId"], method.upper(), path)
        for path, item in paths.items()
        for method, one in item.items()
        if method in METHODS
    }
