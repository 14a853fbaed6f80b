"""Stage A: an OpenAPI 3.1 document as 3.0.3, saying the same wherever 3.0 can say it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from stoa.openapi import document_rules, security_rules
from stoa.openapi.composition_rules import Context
from stoa.openapi.document import Document, Node, lookup
from stoa.openapi.grammar import SECTIONS_V3, V31, Grammar, Kind
from stoa.openapi.inlining import Inliner
from stoa.openapi.intake import grammar_of
from stoa.openapi.lint import lint
from stoa.openapi.mending import mend
from stoa.openapi.origin import told
from stoa.openapi.references import Plan
from stoa.openapi.refusal import SECURITY_WEAKENED, SpecRefused
from stoa.openapi.repairs import checked
from stoa.openapi.report import Converted, Ledger
from stoa.openapi.schema_rules import convert_schema
from stoa.openapi.security_rules import Schemes
from stoa.openapi.survey import Losses, Survey

_NEWER = frozenset({"unknown-field", "wrong-value", "wrong-shape", "component-name", "security-type"})


def convert(document: Document, *, accept_weaker_security: frozenset[str] = frozenset()) -> Converted:
    """The document as 3.0.3 with its loss report; 3.0.x and Swagger 2.0 pass through.

    Small sins that have one remedy (repairs.py, mending.py) are put right and reported, in every version; a
    document without any passes through as the same object. The result is always checked. Raises SpecRefused:
    SPEC_SECURITY_WEAKENED when authentication would get weaker at a JSON pointer that is not in
    `accept_weaker_security`, SPEC_EXTERNAL_REF, SPEC_REF_UNRESOLVED, SPEC_INVALID, SPEC_VERSION_UNSUPPORTED,
    SPEC_TOO_LARGE. Constructs that are kept although 3.0 ignores them are entries with the effect `none`.
    """
    with told(document):
        return _converted(document, accept_weaker_security)


def _converted(document: Document, accepted: frozenset[str]) -> Converted:
    ledger = Ledger()
    grammar = grammar_of(document.content)
    if grammar is V31 and document.version.startswith("3.1."):
        result = Document(_Converter(document.content, ledger).run(), document.name)
    else:
        result = _older(document, grammar, ledger)
    _refuse_weaker(ledger, accepted)
    result, findings = checked(result, ledger)
    if result is not document:
        result = replace(result, origin=document.origin)
    for finding in findings:
        ledger.add(finding.pointer, finding.rule, "kept", "none", finding.detail)
    return Converted(result, ledger.report("standards", document, result))


def _older(document: Document, grammar: Grammar, ledger: Ledger) -> Document:
    """A 3.0 or Swagger 2.0 document as it is; rebuilt only when it uses what its version does not have."""
    findings = lint(document)
    newer = [finding for finding in findings if finding.rule in _NEWER and not finding.mendable]
    if not newer and not any(finding.mendable for finding in findings):
        return document
    if grammar is V31:
        content = _Converter(document.content, ledger, nullable=True).run()
    else:
        content = mend(document.content, grammar, ledger)
    if newer and grammar is V31:
        detail = f"{document.version} does not have everything this document uses; those parts were read as 3.1"
        ledger.add("/openapi", "newer-version", "3.0.3", "none", detail)
    return Document(content, document.name)


def _refuse_weaker(ledger: Ledger, accepted: frozenset[str]) -> None:
    missing = [pointer for pointer in ledger.pointers("security-weakened") if pointer not in accepted]
    if missing:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        detail = f"3.0 cannot state mutual TLS; accept each of these by its pointer to go on: {shown}"
        raise SpecRefused(SECURITY_WEAKENED, detail, pointer=missing[0], pointers=tuple(missing))


class _Converter(Inliner):
    """With `nullable` the document is a 3.0 one, where that keyword has a meaning and siblings of `$ref` have none."""

    def __init__(self, content: Node, ledger: Ledger, *, nullable: bool = False) -> None:
        survey = Survey(content, V31)
        if survey.mendable:
            content = mend(content, V31, ledger)
            survey = Survey(content, V31)
        self._ledger = ledger
        self._plan = Plan(content, survey)
        self._built: set[str] = set()
        self._nullable = nullable
        schemes = Schemes(content)
        context = Context(ledger, Losses(survey.lossy, self._plan.targets), nullable)
        requirements = partial(
            security_rules.requirements,
            schemes=schemes,
            renamed=self._plan.renamed["securitySchemes"],
            ledger=ledger,
        )
        super().__init__(
            content,
            V31,
            {
                "schema": (partial(convert_schema, context=context, plan=self._plan),),
                "document": (partial(document_rules.root, ledger=ledger), requirements),
                "info": (partial(document_rules.info, ledger=ledger),),
                "license": (partial(document_rules.license_name, ledger=ledger),),
                "operation": (partial(document_rules.operation, ledger=ledger), requirements),
                "securityScheme": (partial(security_rules.foreign_fields, ledger=ledger),),
                "serverVariable": (partial(document_rules.server_variable, ledger=ledger),),
                "components": (
                    partial(document_rules.inlined_path_items, ledger=ledger),
                    partial(security_rules.remove_schemes, schemes=schemes, ledger=ledger),
                    self._rename,
                ),
            },
        )

    def run(self) -> Node:
        """The converted content."""
        result: Node = self.build(self.content, "document", "")
        for kind, pointer, name in self._plan.hoisted:
            built = self.build(lookup(self.content, pointer), kind, pointer)
            components = result.setdefault("components", {})
            components.setdefault(SECTIONS_V3[kind], {})[name] = built
            self._ledger.count("moved-to-components")
        return result

    def fields(self, node: Node, kind: Kind, pointer: str) -> Node:
        """Built again in a second place (moved, or inlined), the same constructs are not counted again."""
        if pointer in self._built and self._ledger.counting:
            self._ledger.counting = False
            result = super().fields(node, kind, pointer)
            self._ledger.counting = True
            return result
        self._built.add(pointer)
        return super().fields(node, kind, pointer)

    def bare(self, node: Any, kind_name: str, pointer: str) -> Any:
        if kind_name != "schema" or not isinstance(node, bool):
            return node
        self._ledger.count("boolean-schema")
        return {} if node else {"not": {}}

    def reference(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        if kind.name == "pathItem":
            self._ledger.count("path-item-ref")
            return self.inline(node, kind, pointer, self._plan.targets[f"{pointer}/$ref"])
        if self._nullable:
            return {**node, "$ref": self._plan.rewritten.get(f"{pointer}/$ref", node["$ref"])}
        if kind.name == "schema":
            return None
        for key in node:
            if key in ("summary", "description"):
                detail = "3.0 allows nothing beside `$ref`"
                self._ledger.add(f"{pointer}/{key}", "reference-sibling", "dropped", "annotation", detail)
        return {"$ref": self._plan.rewritten.get(f"{pointer}/$ref", node["$ref"])}

    def unknown(self, result: Node, key: str, value: Any, pointer: str) -> None:
        result[f"x-dropped-{key}"] = value
        self._ledger.add(pointer, key, f"x-dropped-{key}", "annotation", "not a field of OpenAPI; kept as an extension")

    def _rename(self, components: Node, pointer: str) -> None:
        for section, names in self._plan.renamed.items():
            if names:
                components[section] = {names.get(name, name): node for name, node in components[section].items()}
            for old, new in names.items():
                detail = f"3.0 allows only letters, digits and ._- in names; now {new}"
                self._ledger.add(f"{pointer}/{section}", old, "renamed", "annotation", detail)
