"""Stage B: what the webMethods API Gateway 10.15 can import, as a document of its own.

The published contract stays the result of stage A; this one may say less, and its report says where.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from stoa.openapi.document import Document, Node, local_target, lookup
from stoa.openapi.gateway_servers import local_servers, servers, swagger_host
from stoa.openapi.grammar import V20, V30, Kind
from stoa.openapi.inlining import Inliner
from stoa.openapi.inspection import Inspection
from stoa.openapi.lint import lint, refuse_errors
from stoa.openapi.null_rules import add_all_of, null_schema
from stoa.openapi.origin import told
from stoa.openapi.refusal import VERSION_UNSUPPORTED, SpecRefused
from stoa.openapi.repairs import checked
from stoa.openapi.report import Converted, Ledger
from stoa.openapi.survey import Losses

_NO_SIMPLE_NULL = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "enum", "nullable", "discriminator"})


def gateway_profile(document: Document, *, server_url: str | None) -> Converted:
    """The document as the gateway imports it, with the report of this stage.

    Takes 3.0.x or Swagger 2.0, normally the result of `convert`. With `server_url`, an absolute http(s)
    URL, that is the only server; without it the first server that is one, with the defaults of its
    variables filled in. A document without such a server has none afterwards: its route must come from
    an alias. Raises SpecRefused for 3.1 and for an invalid document, ValueError for another `server_url`.
    """
    with told(document):
        return _profiled(document, server_url)


def _profiled(document: Document, server_url: str | None) -> Converted:
    content = document.content
    if "swagger" not in content and not document.version.startswith("3.0."):
        raise SpecRefused(VERSION_UNSUPPORTED, "convert the document to 3.0 first", pointer="/openapi")
    refuse_errors(lint(document))
    ledger = Ledger()
    result = Document(_Profile(content, ledger, server_url).build(content, "document", ""), document.name)
    result, _ = checked(result, ledger)
    return Converted(result, ledger.report("gateway", document, result))


class _Profile(Inliner):
    def __init__(self, content: Node, ledger: Ledger, server_url: str | None) -> None:
        self._ledger = ledger
        swagger = "swagger" in content
        route = swagger_host if swagger else servers
        drop_servers = partial(local_servers, ledger=ledger)
        self._opened = _opened_objects(content, swagger=swagger)
        super().__init__(
            content,
            V20 if swagger else V30,
            {
                "document": (self._root_docs, partial(route, server_url=server_url, ledger=ledger)),
                "pathItem": () if swagger else (drop_servers,),
                "operation": () if swagger else (drop_servers,),
                "schema": (self._open_object, self._null_branch),
            },
        )

    def reference(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        target = local_target(str(node["$ref"]))
        if kind.name == "pathItem":
            self._ledger.count("path-item-ref")
            return self.inline(node, kind, pointer, target)
        if self.grammar is V20 and kind.name == "response":
            return self._inline_response(node, pointer)
        # The importer looks references up as they are written.
        return node if "%" in target else {**node, "$ref": f"#{target}"}

    def _inline_response(self, node: Node, pointer: str) -> Node:
        """The gateway's parser crashes on references in Swagger 2.0 responses."""
        at = local_target(str(node["$ref"]))
        target = lookup(self.content, at)
        if pointer.startswith("/responses/"):
            return node
        self._ledger.count("response-ref")
        built: Node = self.build(target, "response", at)
        return built

    def _root_docs(self, document: Node, _: str) -> None:
        if "externalDocs" in document:
            del document["externalDocs"]
            detail = "the gateway's model wants a list here and an object elsewhere"
            self._ledger.add("/externalDocs", "externalDocs", "dropped", "annotation", detail)

    def _open_object(self, schema: Node, pointer: str) -> None:
        closed = schema.get("additionalProperties")
        if isinstance(closed, bool):
            del schema["additionalProperties"]
            if closed:
                self._ledger.count("additionalProperties-true")
            else:
                detail = "the gateway refuses a boolean here; additional properties must be checked elsewhere"
                self._ledger.add(pointer, "closed-object-opened", "dropped", "widened", detail)
        for at in _exclusive_parts(schema, pointer):
            if self._opened.under(at):
                detail = "an object in here was opened; what only one branch accepted may now match another too"
                self._ledger.add(at, "closed-object-opened", "kept", "tightened", detail)

    def _null_branch(self, schema: Node, pointer: str) -> None:
        """The idiom that portals and gateways show well, in place of an `enum` of null."""
        for keyword in ("anyOf", "oneOf"):
            branches = schema.get(keyword)
            if isinstance(branches, list) and branches.count(null_schema()) == 1 and len(branches) > 1:
                self._rewrite_null(schema, keyword, pointer)

    def _rewrite_null(self, schema: Node, keyword: str, pointer: str) -> None:
        if "type" in schema or "nullable" in schema:
            return
        others = [branch for branch in schema[keyword] if branch != null_schema()]
        simple = next((i for i, one in enumerate(others) if "type" in one and _NO_SIMPLE_NULL.isdisjoint(one)), None)
        if simple is not None:
            others[simple] = {**others[simple], "nullable": True}
            schema[keyword] = others
            self._ledger.count("null-branch")
            return
        schema["nullable"] = True
        schema[keyword] = others
        if len(others) == 1 and "discriminator" not in schema:
            del schema[keyword]
            add_all_of(schema, others[0])
        detail = "null is documented, but a strict 3.0 validator refuses it: the schema beside it does"
        self._ledger.add(pointer, "null-tightened", "nullable", "tightened", detail)


def _exclusive_parts(schema: Node, pointer: str) -> list[str]:
    """Where a wider part makes the whole narrower."""
    branches: Any = schema.get("oneOf", ())
    parts = [f"{pointer}/oneOf/{index}" for index in range(len(branches))]
    return [*parts, f"{pointer}/not"] if "not" in schema else parts


def _opened_objects(content: Node, *, swagger: bool) -> Losses:
    closed: list[str] = []

    def watch(schema: Node, pointer: str, _: Inspection) -> None:
        if schema.get("additionalProperties") is False:
            closed.append(f"{pointer}/additionalProperties")

    inspection = Inspection(V20 if swagger else V30, strict=False, watchers={"schema": watch}).run(content)
    return Losses(closed, {ref.pointer: local_target(ref.value) for ref in inspection.refs})
