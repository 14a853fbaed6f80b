"""Authentication that 3.0 cannot state: never lost without being asked for by name."""

from __future__ import annotations

from typing import Any

from stoa.openapi.document import Node, escape, local_target, lookup, tokens_of
from stoa.openapi.lint_object_rules import foreign_scheme_fields
from stoa.openapi.report import Ledger

_SCOPED = frozenset({"oauth2", "openIdConnect"})
_MAX_REFERENCES = 10


class Schemes:
    """The security schemes of a document by name, with references among them followed."""

    def __init__(self, content: Node) -> None:
        components = content.get("components") or {}
        written = components.get("securitySchemes") or {}
        self.types = {name: _type_of(content, scheme) for name, scheme in written.items()}
        self.lost = {name for name, kind in self.types.items() if kind == "mutualTLS"}


def _type_of(content: Node, scheme: Any) -> str:
    for _ in range(_MAX_REFERENCES):
        if not isinstance(scheme, dict):
            return ""
        if "$ref" not in scheme:
            return str(scheme.get("type"))
        try:
            scheme = lookup(content, local_target(str(scheme["$ref"])))
        except KeyError:
            return ""
    return ""


def remove_schemes(components: Node, pointer: str, schemes: Schemes, ledger: Ledger) -> None:
    """Take the schemes out that 3.0 does not know."""
    written = components.get("securitySchemes")
    if not isinstance(written, dict) or not schemes.lost:
        return
    components["securitySchemes"] = {name: scheme for name, scheme in written.items() if name not in schemes.lost}
    for name in sorted(schemes.lost):
        at = f"{pointer}/securitySchemes/{escape(name)}"
        detail = "3.0 has no mutual TLS; whoever calls is no longer asked for a certificate by this document"
        ledger.add(at, "mutualTLS", "removed", "security-weakened", detail)


def foreign_fields(scheme: Node, pointer: str, ledger: Ledger) -> None:
    """3.0 forbids fields that belong to another type of scheme."""
    for key in foreign_scheme_fields(scheme):
        scheme[f"x-dropped-{key}"] = scheme.pop(key)
        detail = f"no field of a scheme of type {scheme['type']}; kept as an extension"
        ledger.add(pointer, key, f"x-dropped-{key}", "annotation", detail)


def requirements(holder: Node, pointer: str, schemes: Schemes, renamed: dict[str, str], ledger: Ledger) -> None:
    """The `security` list of the document or of an operation, without lost schemes and role names."""
    written = holder.get("security")
    if not isinstance(written, list):
        return
    at = f"{pointer}/security"
    kept = [_requirement(item, f"{at}/{index}", schemes, renamed, ledger) for index, item in enumerate(written)]
    holder["security"] = [item for item in kept if item is not None]
    if None in kept:
        _alternative_removed(holder["security"], at, ledger)


def _requirement(item: Node, pointer: str, schemes: Schemes, renamed: dict[str, str], ledger: Ledger) -> Node | None:
    result: Node = {}
    for name, scopes in item.items():
        if name in schemes.lost:
            continue
        if scopes and schemes.types.get(name, "oauth2") not in _SCOPED:
            detail = f"3.0 allows scopes only with oauth2 and openIdConnect; roles dropped: {', '.join(scopes)}"
            ledger.add(f"{pointer}/{escape(name)}", "security-roles", "emptied", "annotation", detail)
            scopes = []
        result[renamed.get(name, name)] = scopes
    lost = [name for name in item if name in schemes.lost]
    if lost and result:
        detail = f"{', '.join(lost)} was required together with {', '.join(result)}"
        ledger.add(pointer, "mutualTLS", "removed", "security-weakened", detail)
    return None if lost and not result else result


def _alternative_removed(left: list[Any], pointer: str, ledger: Ledger) -> None:
    if left:
        detail = "an alternative with mutual TLS alone was removed; the others still hold"
        ledger.add(pointer, "mutualTLS", "alternative removed", "tightened", detail)
        return
    owner = " ".join(tokens_of(pointer)[1:-1][::-1]) or "every operation without its own security"
    ledger.add(pointer, "mutualTLS", "removed", "security-weakened", f"becomes public: {owner}")
