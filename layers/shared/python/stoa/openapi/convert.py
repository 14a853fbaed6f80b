"""Stage A: an OpenAPI 3.1 document as 3.0.3, saying the same wherever 3.0 can say it."""

from __future__ import annotations

from functools import partial
from typing import Any

from stoa.openapi import document_rules, security_rules
from stoa.openapi.bundle import MAX_INLINED
from stoa.openapi.composition_rules import Context
from stoa.openapi.document import Document, Node, lookup
from stoa.openapi.grammar import SECTIONS_V3, V31, Kind
from stoa.openapi.inspection import MAX_NESTING
from stoa.openapi.intake import grammar_of
from stoa.openapi.lint import lint, refuse_errors
from stoa.openapi.rebuild import Rebuilder
from stoa.openapi.references import Plan
from stoa.openapi.refusal import REF_UNRESOLVED, SECURITY_WEAKENED, TOO_DEEP, TOO_LARGE, SpecRefused
from stoa.openapi.report import Converted, Ledger
from stoa.openapi.schema_rules import convert_schema
from stoa.openapi.security_rules import Schemes
from stoa.openapi.survey import Losses, Survey

_MAX_OBJECTS = 250_000


def convert(document: Document, *, accept_weaker_security: frozenset[str] = frozenset()) -> Converted:
    """The document as 3.0.3 with its loss report; 3.0.x and Swagger 2.0 pass through.

    The result is always checked. Raises SpecRefused: SPEC_SECURITY_WEAKENED when authentication would
    get weaker at a JSON pointer that is not in `accept_weaker_security`, SPEC_EXTERNAL_REF,
    SPEC_REF_UNRESOLVED, SPEC_INVALID, SPEC_VERSION_UNSUPPORTED, SPEC_TOO_LARGE. Constructs that are kept
    although 3.0 ignores them are entries with the effect `none`.
    """
    grammar = grammar_of(document.content)
    ledger = Ledger()
    result = document
    if grammar is V31 and document.version.startswith("3.1."):
        result = Document(_Converter(document.content, ledger).run(), document.name)
        _refuse_weaker(ledger, accept_weaker_security)
    findings = lint(result)
    refuse_errors(findings)
    for finding in findings:
        ledger.add(finding.pointer, finding.rule, "kept", "none", finding.detail)
    return Converted(result, ledger.report("standards", document, result))


def _refuse_weaker(ledger: Ledger, accepted: frozenset[str]) -> None:
    missing = [pointer for pointer in ledger.pointers("security-weakened") if pointer not in accepted]
    if missing:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        detail = f"3.0 cannot state mutual TLS; accept each of these by its pointer to go on: {shown}"
        raise SpecRefused(SECURITY_WEAKENED, detail, pointer=missing[0], pointers=tuple(missing))


class _Converter(Rebuilder):
    def __init__(self, content: Node, ledger: Ledger) -> None:
        self._content = content
        self._ledger = ledger
        survey = Survey(content, V31)
        self._plan = Plan(content, survey)
        self._inlining: set[str] = set()
        self._objects = 0
        self._nesting = 0
        schemes = Schemes(content)
        context = Context(ledger, Losses(survey.lossy, self._plan.targets))
        requirements = partial(
            security_rules.requirements,
            schemes=schemes,
            renamed=self._plan.renamed["securitySchemes"],
            ledger=ledger,
        )
        super().__init__(
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
        result: Node = self.build(self._content, "document", "")
        for kind, pointer, name in self._plan.hoisted:
            built = self.build(lookup(self._content, pointer), kind, pointer)
            components = result.setdefault("components", {})
            components.setdefault(SECTIONS_V3[kind], {})[name] = built
            self._ledger.count("moved-to-components")
        return result

    def fields(self, node: Node, kind: Kind, pointer: str) -> Node:
        self._objects += 1
        if self._objects > _MAX_OBJECTS:
            raise SpecRefused(TOO_LARGE, "path items refer to each other too often", pointer=pointer)
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise SpecRefused(TOO_DEEP, f"objects nested more than {MAX_NESTING} deep", pointer=pointer)
        result = super().fields(node, kind, pointer)
        self._nesting -= 1
        return result

    def bare(self, node: Any, kind_name: str, pointer: str) -> Any:
        if kind_name != "schema" or not isinstance(node, bool):
            return node
        self._ledger.count("boolean-schema")
        return {} if node else {"not": {}}

    def reference(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        if kind.name == "schema":
            return None
        if kind.name == "pathItem":
            return self._inline(node, kind, pointer)
        for key in node:
            if key in ("summary", "description"):
                detail = "3.0 allows nothing beside `$ref`"
                self._ledger.add(f"{pointer}/{key}", "reference-sibling", "dropped", "annotation", detail)
        return {"$ref": self._plan.rewritten.get(f"{pointer}/$ref", node["$ref"])}

    def unknown(self, result: Node, key: str, value: Any, pointer: str) -> None:
        result[f"x-dropped-{key}"] = value
        self._ledger.add(pointer, key, f"x-dropped-{key}", "annotation", "not a field of OpenAPI; kept as an extension")

    def _inline(self, node: Node, kind: Kind, pointer: str) -> Node:
        """The path item a reference means; fields beside the reference win over it."""
        target = self._plan.targets[f"{pointer}/$ref"]
        if target in self._inlining or len(self._inlining) >= MAX_INLINED:
            raise SpecRefused(REF_UNRESOLVED, "path items refer to each other in a circle or chain", pointer=pointer)
        self._inlining.add(target)
        found: Node = self.build(lookup(self._content, target), "pathItem", target)
        self._inlining.discard(target)
        self._ledger.count("path-item-ref")
        return {**found, **self.fields({key: node[key] for key in node if key != "$ref"}, kind, pointer)}

    def _rename(self, components: Node, pointer: str) -> None:
        for section, names in self._plan.renamed.items():
            if names:
                components[section] = {names.get(name, name): node for name, node in components[section].items()}
            for old, new in names.items():
                detail = f"3.0 allows only letters, digits and ._- in names; now {new}"
                self._ledger.add(f"{pointer}/{section}", old, "renamed", "annotation", detail)
