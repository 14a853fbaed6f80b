"""Everything of 3.1 that is not a schema: the document, info, operations, servers, components."""

from __future__ import annotations

import re

from stoa.openapi.document import Node
from stoa.openapi.report import Ledger

DEFAULT_DIALECTS = frozenset(
    {"https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema"}
)
_ONE_LICENSE = re.compile(r"[A-Za-z0-9.-]+\Z")
_SPDX = "https://spdx.org/licenses/{}.html"


def root(document: Node, _: str, ledger: Ledger) -> None:
    """Version, dialect, webhooks and missing paths."""
    document["openapi"] = "3.0.3"
    if "jsonSchemaDialect" in document:
        dialect = document.pop("jsonSchemaDialect")
        ledger.count("jsonSchemaDialect")
        if dialect not in DEFAULT_DIALECTS:
            detail = f"the dialect {dialect} was read as JSON Schema 2020-12"
            ledger.add("/jsonSchemaDialect", "jsonSchemaDialect", "dropped", "annotation", detail)
    if "webhooks" in document:
        document["x-webhooks"] = document.pop("webhooks")
        ledger.add("/webhooks", "webhooks", "x-webhooks", "annotation", "3.0 has no webhooks; kept as an extension")
    if "paths" not in document:
        document["paths"] = {}
        ledger.count("paths-missing")


def info(node: Node, pointer: str, ledger: Ledger) -> None:
    """The summary goes in front of the description."""
    if "summary" not in node:
        return
    summary = node.pop("summary")
    node["description"] = f"{summary}\n\n{node['description']}" if node.get("description") else summary
    ledger.add(pointer, "info.summary", "description", "annotation", "3.0 has no summary here; put before description")


def license_name(node: Node, pointer: str, ledger: Ledger) -> None:
    """The SPDX identifier of one license becomes the address of its text; an expression has no address."""
    if "identifier" not in node:
        return
    identifier = node.pop("identifier")
    if "url" not in node and _ONE_LICENSE.match(identifier):
        node["url"] = _SPDX.format(identifier)
        ledger.count("license.identifier")
        return
    node["x-identifier"] = identifier
    detail = "3.0 has only the address of one license here; kept as an extension"
    ledger.add(pointer, "license.identifier", "x-identifier", "annotation", detail)


def operation(node: Node, _: str, ledger: Ledger) -> None:
    """3.0 asks for at least one response."""
    if not node.get("responses"):
        node["responses"] = {"default": {"description": "The author describes no response."}}
        ledger.count("responses-missing")


def server_variable(node: Node, _: str, ledger: Ledger) -> None:
    """An empty list of values means any value."""
    if node.get("enum") == []:
        del node["enum"]
        ledger.count("empty-enum")


def inlined_path_items(components: Node, _: str, ledger: Ledger) -> None:
    """Path items stand where they are referred to; 3.0 has no section for them."""
    if "pathItems" in components:
        del components["pathItems"]
        ledger.count("components.pathItems")
