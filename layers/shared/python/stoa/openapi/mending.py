"""Small sins of real documents that say what was meant: an empty key, a version without quotes, a list of items."""

from __future__ import annotations

from typing import Any

from stoa.openapi.coercion import UNCLEAR, coerced
from stoa.openapi.document import Node
from stoa.openapi.grammar import V20, Field, Grammar, Kind
from stoa.openapi.inspection import SCALAR_CHECKS
from stoa.openapi.rebuild import Rebuilder
from stoa.openapi.report import Ledger


def mend(content: Node, grammar: Grammar, ledger: Ledger) -> Node:
    """The document in the shape its grammar asks for, as far as that is clear; each change is an entry."""
    built: Node = _Mender(grammar, ledger).build(content, "document", "")
    return built


class _Mender(Rebuilder):
    def __init__(self, grammar: Grammar, ledger: Ledger) -> None:
        super().__init__(grammar)
        self._ledger = ledger

    def fields(self, node: Node, kind: Kind, pointer: str) -> Node:
        kept = {key: value for key, value in node.items() if not self._is_empty(key, value, kind, pointer)}
        if kind.name == "schema":
            kept = self._older_schema(kept, pointer)
        return super().fields(kept, kind, pointer)

    def field(self, field: Field, value: Any, pointer: str) -> Any:
        check = SCALAR_CHECKS.get(field.shape)
        if check is None or check[0](value):
            return super().field(field, value, pointer)
        better = coerced(field.shape, value)
        if better is UNCLEAR:
            return value
        holder, _, key = pointer.rpartition("/")
        self._ledger.add(holder, key, "read as meant", "none", f"must be {check[1]}; read as {better!r}")
        return better

    def reference(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        """In 3.1 a schema's `$ref` has siblings like any other keyword."""
        return None if "$ref" in kind.fields else node

    def unknown(self, result: Node, key: str, value: Any, pointer: str) -> None:
        """Swagger 2.0 has no later stage that would move an unknown field out of the way."""
        if self.grammar is not V20:
            result[key] = value
            return
        result[f"x-dropped-{key}"] = value
        detail = "not a field of Swagger 2.0; kept as an extension"
        self._ledger.add(pointer, key, f"x-dropped-{key}", "annotation", detail)

    def _is_empty(self, key: str, value: Any, kind: Kind, pointer: str) -> bool:
        field = kind.fields.get(key)
        if value is not None or field is None or field.shape in ("any", "types"):
            return False
        self._ledger.add(pointer, key, "dropped", "none", "the key has no value")
        return True

    def _older_schema(self, schema: Node, pointer: str) -> Node:
        """What earlier drafts of JSON Schema wrote in another way."""
        if isinstance(schema.get("required"), bool):
            schema = {key: value for key, value in schema.items() if key != "required"}
            detail = "whether a property is required is said beside `properties`, as a list of names"
            self._ledger.add(pointer, "required", "dropped", "widened", detail)
        items = schema.get("items")
        if not isinstance(items, list) or "prefixItems" in schema:
            return schema
        detail = "a list of schemas is called `prefixItems` since 3.1"
        self._ledger.add(pointer, "items", "prefixItems", "none", detail)
        others = {"items": schema["additionalItems"]} if "additionalItems" in schema else {}
        kept = {key: value for key, value in schema.items() if key not in ("items", "additionalItems")}
        return {**kept, "prefixItems": items, **others}
