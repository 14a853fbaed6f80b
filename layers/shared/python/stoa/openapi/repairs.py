"""What a converted document still does wrong and a gateway would shrug at: put right, and said in the report.

Only where there is one way to do it. Where an author must decide (a security scheme that is not there, a type nobody
knows) the document is refused instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from stoa.openapi.document import Document, Node, local_target, lookup, tokens_of
from stoa.openapi.inspection import Finding
from stoa.openapi.lint import lint, refuse_errors
from stoa.openapi.lint_schema_rules import distinct
from stoa.openapi.naming import Names
from stoa.openapi.report import Effect, Ledger

_NO_RESPONSE = {"default": {"description": "The author describes no response."}}
_DEFAULTS: Mapping[str, Any] = {
    "document.paths": {},
    "operation.responses": _NO_RESPONSE,
    "response.description": "",
    "requestBody.content": {},
    "info.version": "0",
    **{f"{flow}.scopes": {} for flow in ("implicitFlow", "passwordFlow", "clientFlow", "codeFlow")},
}
"""Required fields that may be missing, with what stands for nothing."""


class _Copy:
    """A document of which only the parts that change are copied."""

    def __init__(self, content: Node, *, swagger: bool) -> None:
        self.content = dict(content)
        self.swagger = swagger
        self._owned: dict[str, Any] = {"": self.content}
        self._names: Names | None = None

    def at(self, pointer: str) -> Any:
        """The object or list at the pointer, to be changed in place."""
        if pointer not in self._owned:
            parent, _, token = pointer.rpartition("/")
            holder = self.at(parent)
            key = int(token) if isinstance(holder, list) else tokens_of("/" + token)[0]
            holder[key] = holder[key].copy()
            self._owned[pointer] = holder[key]
        return self._owned[pointer]

    def operation_id(self, wanted: str) -> str:
        """The wanted name with a number that makes it the only one."""
        if self._names is None:
            self._names = Names(_operation_ids(self.content))
        return self._names.take(wanted)


class Repair(NamedTuple):
    """What to do for a rule, what it is called in the report, and what it means for the reader."""

    apply: Callable[[_Copy, Finding], None]
    action: str
    effect: Effect


def checked(document: Document, ledger: Ledger) -> tuple[Document, list[Finding]]:
    """The document with its small sins put right and what the linter still finds; the same one if there are none.

    Raises SpecRefused for an error that has no remedy.
    """
    findings = lint(document)
    repaired = _repaired(document.content, findings, ledger)
    if repaired is not None:
        document = Document(repaired, document.name)
        findings = lint(document)
    refuse_errors(findings)
    return document, findings


def _repaired(content: Node, findings: list[Finding], ledger: Ledger) -> Node | None:
    """The content without the findings that have one remedy, each of them an entry; None when there are none."""
    copy = _Copy(content, swagger="swagger" in content)
    # from behind: parts first, then what holds them and may drop them
    wanted = [(finding, found) for finding in reversed(findings) if (found := _repair_of(finding)) is not None]
    for finding, found in wanted:
        found.apply(copy, finding)
    for finding, found in reversed(wanted):
        ledger.add(finding.pointer, finding.rule, found.action, found.effect, finding.detail)
    return copy.content if wanted else None


def _repair_of(finding: Finding) -> Repair | None:
    if finding.severity != "error" or (finding.rule == "missing-field" and finding.subject not in _DEFAULTS):
        return None
    return REPAIRS.get(finding.rule)


def _operation_ids(node: Any) -> Iterator[str]:
    """Every name in use, and harmlessly a few more."""
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _operation_ids(value)
    if isinstance(node, dict) and isinstance(node.get("operationId"), str):
        yield node["operationId"]


def _split(pointer: str) -> tuple[str, str]:
    holder, _, token = pointer.rpartition("/")
    return holder, tokens_of("/" + token)[0]


def _fill(copy: _Copy, finding: Finding) -> None:
    copy.at(finding.pointer)[finding.subject.partition(".")[2]] = _DEFAULTS[finding.subject]


def _fill_schema(copy: _Copy, finding: Finding) -> None:
    copy.at(finding.pointer)["schema"] = {}


def _fill_responses(copy: _Copy, finding: Finding) -> None:
    copy.at(finding.pointer).update(_NO_RESPONSE)


def _add_path_parameter(copy: _Copy, finding: Finding) -> None:
    text: Node = {"type": "string"}
    parameter = {"name": finding.subject, "in": "path", "required": True}
    parameter |= text if copy.swagger else {"schema": text}
    if "parameters" in copy.at(finding.pointer):
        copy.at(f"{finding.pointer}/parameters").append(parameter)
    else:
        copy.at(finding.pointer)["parameters"] = [parameter]


def _require(copy: _Copy, finding: Finding) -> None:
    copy.at(finding.pointer)["required"] = True


def _drop_path_parameter(copy: _Copy, finding: Finding) -> None:
    """The parameter is the operation's or its path item's."""
    for holder in (finding.pointer, finding.pointer.rpartition("/")[0]):
        written = lookup(copy.content, holder).get("parameters", [])
        kept = [item for item in written if not _is_path_parameter(copy.content, item, finding.subject)]
        if len(kept) < len(written):
            copy.at(f"{holder}/parameters")[:] = kept


def _is_path_parameter(content: Node, item: Node, name: str) -> bool:
    return _place(content, item) == ("path", name)


def _drop_later(copy: _Copy, finding: Finding) -> None:
    """Of parameters with the same name in the same place, the first one stays."""
    holder, _ = _split(finding.pointer)
    first: dict[tuple[Any, Any], Node] = {}
    for item in lookup(copy.content, holder):
        first.setdefault(_place(copy.content, item), item)
    copy.at(holder)[:] = first.values()


def _place(content: Node, parameter: Node) -> tuple[Any, Any]:
    if isinstance(parameter.get("$ref"), str):
        parameter = lookup(content, local_target(parameter["$ref"]))
    return parameter.get("in"), parameter.get("name")


def _drop(copy: _Copy, finding: Finding) -> None:
    holder, key = _split(finding.pointer)
    del copy.at(holder)[key]


def _drop_example(copy: _Copy, finding: Finding) -> None:
    del copy.at(finding.pointer)["example"]


def _rename_operation(copy: _Copy, finding: Finding) -> None:
    holder, key = _split(finding.pointer)
    operation = copy.at(holder)
    operation[key] = copy.operation_id(operation[key])


def _unique(copy: _Copy, finding: Finding) -> None:
    holder, key = _split(finding.pointer)
    copy.at(holder)[key] = distinct(lookup(copy.content, finding.pointer))


REPAIRS: Mapping[str, Repair] = {
    "missing-field": Repair(_fill, "filled in", "none"),
    "schema-missing": Repair(_fill_schema, "filled in", "none"),
    "responses-empty": Repair(_fill_responses, "filled in", "none"),
    "path-parameter-missing": Repair(_add_path_parameter, "added as a string", "annotation"),
    "path-parameter-optional": Repair(_require, "made required", "none"),
    "path-parameter-unused": Repair(_drop_path_parameter, "dropped", "annotation"),
    "parameter-twice": Repair(_drop_later, "dropped", "annotation"),
    "operation-id-twice": Repair(_rename_operation, "numbered", "annotation"),
    "two-kinds-of-example": Repair(_drop_example, "`example` dropped", "annotation"),
    "empty-list": Repair(_drop, "dropped", "widened"),
    "empty-required": Repair(_drop, "dropped", "none"),
    "not-unique": Repair(_unique, "said once", "none"),
    "bound-alone": Repair(_drop, "dropped", "none"),
}
"""Rule of the linter to its remedy."""
