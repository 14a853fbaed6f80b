"""What changed for the callers of an API between two versions of its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stoa.openapi.change_rules import ORDER, RULES, Severity
from stoa.openapi.contract import Answer, Body, Contract, Operation, Parameter
from stoa.openapi.document import Document, Node
from stoa.openapi.schema_changes import Direction, SchemaComparison, TooMuch

MAX_CHANGES = 1000


@dataclass(frozen=True)
class SpecChange:
    """`rule` is a stable id; `place` is where in the operation; `text` a sentence for a person."""

    severity: Severity
    rule: str
    method: str
    path: str
    place: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """The worst first, then by path. `complete` is False when the documents were too much to compare to the end, or
    changed in more places than are listed: then what is missing may be of any kind."""

    changes: tuple[SpecChange, ...]
    complete: bool


def compare(old: Document, new: Document) -> Comparison:
    """Of OpenAPI 3.0 and Swagger 2.0 documents, also one of each. Servers and texts for people are not compared."""
    before, after = Contract(old.content), Contract(new.content)
    found: dict[SpecChange, None] = {}
    complete = True
    try:
        for change in _changes(before, after):
            found[change] = None
            if len(found) > MAX_CHANGES:
                complete = False
                break
    except TooMuch:
        complete = False
    ordered = sorted(found, key=lambda one: (ORDER.index(one.severity), one.path, one.method, one.place, one.rule))
    return Comparison(tuple(ordered[:MAX_CHANGES]), complete)


def _changes(before: Contract, after: Contract) -> Iterator[SpecChange]:
    schemas = SchemaComparison(before.schemas, after.schemas)
    paths = {path for _method, path in after.operations}
    for key, old in before.operations.items():
        new = after.operations.get(key)
        if new is not None:
            yield from _Operations(old, new, schemas).changes()
        else:
            rule = "path-removed" if key[1] not in paths else "operation-removed"
            yield _change(old, "operation-removed-after-deprecation" if old.deprecated else rule, "", "it is gone")
    for key, new in after.operations.items():
        if key not in before.operations:
            yield _change(new, "operation-added", "", "it is new")


def _change(operation: Operation, rule: str, place: str, text: str) -> SpecChange:
    return SpecChange(RULES[rule], rule, operation.method, operation.path, place, text)


class _Operations:
    """The same operation in both documents."""

    def __init__(self, old: Operation, new: Operation, schemas: SchemaComparison) -> None:
        self._old, self._new, self._schemas = old, new, schemas

    def changes(self) -> Iterator[SpecChange]:
        old, new = self._old, self._new
        if new.deprecated and not old.deprecated:
            yield self._change("operation-deprecated", "", "it is deprecated")
        if old.operation_id is not None and old.operation_id != new.operation_id:
            text = f"the operationId is {new.operation_id} and was {old.operation_id}"
            yield self._change("operation-id-changed", "", text)
        yield from self._security()
        yield from self._parameters()
        yield from self._body(old.body, new.body)
        yield from self._answers()

    def _change(self, rule: str, place: str, text: str) -> SpecChange:
        return _change(self._new, rule, place, text)

    def _security(self) -> Iterator[SpecChange]:
        old, new = self._old.security, self._new.security
        for gone in old - new:
            if not any(other <= gone for other in new):
                text = f"credentials are not enough any more: {' and '.join(sorted(gone)) or 'none'}"
                yield self._change("security-tightened", "security", text)
        for come in new - old:
            if not any(other <= come for other in old):
                text = f"other credentials are enough: {' and '.join(sorted(come)) or 'none'}"
                yield self._change("security-relaxed", "security", text)

    def _parameters(self) -> Iterator[SpecChange]:
        old, new = self._old.parameters, self._new.parameters
        for key, was in old.items():
            now = new.get(key)
            place = f"{was.place} parameter {was.name}"
            if now is None:
                yield self._change("request-parameter-removed", place, "it is gone")
                continue
            if _asked(was) != _asked(now):
                kind = "required" if _asked(now) else "optional"
                yield self._change(f"request-parameter-became-{kind}", place, f"it became {kind}")
            if was.serialization != now.serialization:
                yield self._change("request-parameter-serialization-changed", place, "its values are written otherwise")
            yield from self._schema(was.schema, now.schema, "request", place)
        for key, now in new.items():
            if key not in old:
                kind = "required" if _asked(now) else "optional"
                place = f"{now.place} parameter {now.name}"
                yield self._change(f"request-parameter-added-{kind}", place, f"it is new and {kind}")

    def _body(self, old: Body | None, new: Body | None) -> Iterator[SpecChange]:
        place = "request body"
        if old is None or new is None:
            if new is not None:
                kind = "required" if new.required else "optional"
                yield self._change(f"request-body-added-{kind}", place, f"it is new and {kind}")
            elif old is not None:
                yield self._change("request-body-removed", place, "it is gone")
            return
        if old.required != new.required:
            kind = "required" if new.required else "optional"
            yield self._change(f"request-body-became-{kind}", place, f"it became {kind}")
        yield from self._content(old.content, new.content, "request", place)

    def _answers(self) -> Iterator[SpecChange]:
        old, new = self._old.answers, self._new.answers
        for status, was in old.items():
            place = f"response {status}"
            if status not in new:
                success = status[:1] == "2"
                yield self._change(f"response{'-success' if success else ''}-status-removed", place, "it is gone")
                continue
            yield from self._content(was.content, new[status].content, "response", place)
            yield from self._headers(was, new[status], place)
        for status in new:
            if status not in old:
                yield self._change("response-status-added", f"response {status}", "it is new")

    def _content(
        self, old: Mapping[str, Node], new: Mapping[str, Node], direction: Direction, place: str
    ) -> Iterator[SpecChange]:
        for media, was in old.items():
            if media in new:
                yield from self._schema(was, new[media], direction, f"{place}, {media}")
            else:
                yield self._change(f"{direction}-media-type-removed", f"{place}, {media}", "the media type is gone")
        for media in new:
            if media not in old:
                yield self._change(f"{direction}-media-type-added", f"{place}, {media}", "the media type is new")

    def _headers(self, old: Answer, new: Answer, place: str) -> Iterator[SpecChange]:
        for name, was in old.headers.items():
            now, where = new.headers.get(name), f"{place}, header {was.name}"
            if now is None:
                kind = "required" if was.required else "optional"
                yield self._change(f"response-{kind}-header-removed", where, "it is gone")
                continue
            if was.required != now.required:
                kind = "required" if now.required else "optional"
                yield self._change(f"response-header-became-{kind}", where, f"it became {kind}")
            yield from self._schema(was.schema, now.schema, "response", where)
        for name, now in new.headers.items():
            if name not in old.headers:
                yield self._change("response-header-added", f"{place}, header {now.name}", "it is new")

    def _schema(self, old: Node, new: Node, direction: Direction, place: str) -> Iterator[SpecChange]:
        for rule, pointer, text in self._schemas.differences(old, new, direction):
            yield self._change(rule, f"{place}, {pointer}" if pointer else place, text)


def _asked(parameter: Parameter) -> bool:
    """Whether a call without it is refused; one that has a default may stay away."""
    return parameter.required and "default" not in parameter.schema
