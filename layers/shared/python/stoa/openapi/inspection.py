"""One position-aware walk that checks shapes, counts schemas and collects references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from stoa.openapi.coercion import UNCLEAR, coerced
from stoa.openapi.document import Node, escape
from stoa.openapi.grammar import Field, Grammar, Kind
from stoa.openapi.refusal import TOO_DEEP, TOO_LARGE, SpecRefused

MAX_SCHEMAS = 50_000
MAX_NESTING = 120
TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})


class Finding(NamedTuple):
    """One thing a document does that its version forbids (`error`) or makes ineffective (`warning`).

    `mendable` says that the meaning is clear all the same; `subject` names what the finding is about.
    """

    pointer: str
    rule: str
    detail: str
    severity: str = "error"
    mendable: bool = False
    subject: str = ""


class Ref(NamedTuple):
    """A reference: the pointer of the keyword that holds it, its value, and what it must point at."""

    pointer: str
    value: str
    kind: str


Watcher: TypeAlias = Callable[[Node, str, "Inspection"], None]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_type_31(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) for name in names)


SCALAR_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "any": (lambda _: True, "anything"),
    "str": (_is_text, "a string"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "num": (_is_number, "a number"),
    "int": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    "bound": (lambda value: isinstance(value, int | float), "a number"),
    "array": (lambda value: isinstance(value, list), "a list"),
    "strs": (lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of strings"),
    "object": (lambda value: isinstance(value, dict), "an object"),
    "type": (lambda value: isinstance(value, str) and value in TYPES, f"one of {', '.join(sorted(TYPES))}"),
    "types": (_is_type_31, "a type name or a list of type names"),
}


class Inspection:
    """The walk over one document; `findings` and `refs` are in document order when it is done.

    With `strict` unknown and missing fields are findings too; without it only wrong shapes are.
    `watchers` see every object of their kind before its children.
    """

    def __init__(self, grammar: Grammar, *, strict: bool, watchers: Mapping[str, Watcher] | None = None) -> None:
        self.findings: list[Finding] = []
        self.refs: list[Ref] = []
        self.schemas = 0
        self._nesting = 0
        self._grammar = grammar
        self._strict = strict
        self._watchers = watchers or {}
        self._schemas_may_be_boolean = "$defs" in grammar["schema"].fields

    def run(self, content: Node) -> Inspection:
        """Walk the whole document; raises SpecRefused for too many or too deeply nested objects."""
        self._object(content, "document", "")
        return self

    def visit(self, node: Any, kind: str, pointer: str) -> None:
        """Walk one object that lies outside the document's grammar."""
        self._object(node, kind, pointer)

    def error(self, pointer: str, rule: str, detail: str, *, mendable: bool = False, subject: str = "") -> None:
        """Add an error."""
        self.findings.append(Finding(pointer, rule, detail, mendable=mendable, subject=subject))

    def warn(self, pointer: str, rule: str, detail: str) -> None:
        """Add a warning."""
        self.findings.append(Finding(pointer, rule, detail, "warning"))

    def _object(self, node: Any, kind_name: str, pointer: str) -> None:
        if kind_name == "schema":
            self._count_schema(pointer)
        if not isinstance(node, dict):
            self._bare(node, kind_name, pointer)
            return
        kind = self._grammar[kind_name]
        if "$ref" in node and (kind.referable or kind_name == "pathItem") and self._reference(node, kind, pointer):
            return
        watcher = self._watchers.get(kind_name)
        if watcher is not None:
            watcher(node, pointer, self)
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise SpecRefused(TOO_DEEP, f"objects nested more than {MAX_NESTING} deep", pointer=pointer)
        self._fields(node, kind, pointer)
        self._nesting -= 1
        for name in kind.required if self._strict else ():
            if name not in node:
                subject = f"{kind_name}.{name}"
                self.error(pointer, "missing-field", f"a {kind_name} needs `{name}`", subject=subject)

    def _bare(self, node: Any, kind_name: str, pointer: str) -> None:
        if not (self._schemas_may_be_boolean and kind_name == "schema" and isinstance(node, bool)):
            tuple_of_old = kind_name == "schema" and isinstance(node, list) and self._schemas_may_be_boolean
            mendable = tuple_of_old and pointer.endswith("/items")
            self.error(pointer, "wrong-shape", f"a {kind_name} must be an object", mendable=mendable)

    def _count_schema(self, pointer: str) -> None:
        self.schemas += 1
        if self.schemas > MAX_SCHEMAS:
            raise SpecRefused(TOO_LARGE, f"the document has more than {MAX_SCHEMAS:,} schemas", pointer=pointer)

    def _reference(self, node: Node, kind: Kind, pointer: str) -> bool:
        """Collect a reference; True when nothing else of the object counts."""
        value = node["$ref"]
        if not isinstance(value, str):
            self.error(f"{pointer}/$ref", "wrong-shape", "a reference must be a string")
            return True
        self.refs.append(Ref(f"{pointer}/$ref", value, kind.name))
        if "$ref" in kind.fields:
            return False
        if self._strict and len(node) > 1:
            self.warn(pointer, "ref-siblings", "everything beside `$ref` is ignored in this version")
        return True

    def _fields(self, node: Node, kind: Kind, pointer: str) -> None:
        fields = kind.fields
        for key, value in node.items():
            field = fields.get(key)
            if field is not None:
                self._field(field, value, f"{pointer}/{key}")
            elif key.startswith("x-"):
                continue
            elif kind.every is not None:
                self._field(kind.every, value, f"{pointer}/{escape(key)}")
            elif self._strict:
                self.error(f"{pointer}/{escape(key)}", "unknown-field", f"a {kind.name} has no `{key}` here")

    def _field(self, field: Field, value: Any, pointer: str) -> None:
        shape = field.shape
        if value is None and shape not in ("any", "types"):
            self.error(pointer, "empty-field", "has no value", mendable=True)
        elif shape == "one":
            self._object(value, field.kind, pointer)
        elif shape == "map":
            self._map(field, value, pointer)
        elif shape == "list":
            self._list(field, value, pointer)
        elif shape == "closable":
            if not isinstance(value, bool):
                self._object(value, field.kind, pointer)
        else:
            self._scalar(shape, value, pointer)

    def _scalar(self, shape: str, value: Any, pointer: str) -> None:
        check, expected = SCALAR_CHECKS[shape]
        if not check(value):
            clear = coerced(shape, value) is not UNCLEAR or (isinstance(value, bool) and pointer.endswith("/required"))
            self.error(pointer, "wrong-value", f"must be {expected}", mendable=clear)

    def _map(self, field: Field, value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            self.error(pointer, "wrong-shape", "must be an object")
            return
        for name, item in value.items():
            self._object(item, field.kind, f"{pointer}/{escape(name)}")

    def _list(self, field: Field, value: Any, pointer: str) -> None:
        if not isinstance(value, list):
            self.error(pointer, "wrong-shape", "must be a list")
            return
        for index, item in enumerate(value):
            self._object(item, field.kind, f"{pointer}/{index}")
