"""What 3.0.x and Swagger 2.0 forbid or ignore, found by position and named by JSON pointer."""

from __future__ import annotations

from stoa.openapi.document import Document, Node, local_target, lookup, tokens_of
from stoa.openapi.grammar import V20, V30
from stoa.openapi.inspection import Finding, Inspection
from stoa.openapi.lint_object_rules import ObjectRules
from stoa.openapi.lint_schema_rules import check_schema
from stoa.openapi.refusal import EXTERNAL_REF, INVALID, REF_UNRESOLVED, SpecRefused

_MAX_SHOWN = 100
_CODES = {"ref-external": EXTERNAL_REF, "ref-unresolved": REF_UNRESOLVED, "ref-circle": REF_UNRESOLVED}


def lint(document: Document) -> list[Finding]:
    """Errors and warnings of a 3.0.x or Swagger 2.0 document, in document order, references last.

    A 3.1 document is checked as if it were 3.0, so that everything 3.0 forbids is named. Values are not
    checked against schemas: defaults and examples are the author's.
    """
    swagger = "swagger" in document.content
    rules = ObjectRules(swagger=swagger)
    watchers = {"schema": check_schema, **rules.watchers()}
    inspection = Inspection(V20 if swagger else V30, strict=True, watchers=watchers).run(document.content)
    rules.finish(inspection)
    if not swagger and not document.version.startswith("3.0."):
        inspection.error("/openapi", "version", f"{document.version or 'no version'} is not 3.0.x")
    _check_refs(document.content, inspection)
    return inspection.findings


def refuse_errors(findings: list[Finding]) -> None:
    """Raise SpecRefused for the first error, with the pointers of the first hundred."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    code = _CODES.get(first.rule, INVALID)
    raise SpecRefused(
        code, first.detail + more, pointer=first.pointer, pointers=tuple(error.pointer for error in errors[:_MAX_SHOWN])
    )


def _check_refs(content: Node, inspection: Inspection) -> None:
    good: set[str] = set()
    for ref in inspection.refs:
        if not ref.value.startswith("#"):
            detail = f"{ref.value!r} points outside the document; bundle it first, nothing is fetched"
            inspection.error(ref.pointer, "ref-external", detail)
            continue
        problem = _follow(content, local_target(ref.value), good)
        if problem is not None:
            what = "comes back to itself" if problem == "ref-circle" else "points at nothing"
            inspection.error(ref.pointer, problem, f"{ref.value!r} {what}")


def _follow(content: Node, pointer: str, good: set[str]) -> str | None:
    """The rule a chain of references breaks, or None; every pointer on a good chain is remembered."""
    chain: dict[str, None] = {}
    while pointer not in good:
        if pointer in chain:
            return "ref-circle"
        chain[pointer] = None
        try:
            node = lookup(content, pointer)
        except KeyError:
            return "ref-unresolved"
        if not isinstance(node, dict) or not tokens_of(pointer):
            return "ref-unresolved"
        following = node.get("$ref")
        if not isinstance(following, str) or not following.startswith("#"):
            break
        pointer = local_target(following)
    good.update(chain)
    return None
