"""What callers of a document rely on, in one shape for Swagger 2.0 and OpenAPI 3.0: its operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stoa.openapi.document import Node
from stoa.openapi.operations import METHODS
from stoa.openapi.schema_views import Schemas, as_json

TEMPLATE = re.compile(r"\{[^}]*\}")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_SERIALIZATION = ("style", "explode", "collectionFormat", "allowReserved")
_DEFAULT_STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}


@dataclass(frozen=True)
class Parameter:
    """`serialization` is how a value becomes text, where it is not the usual way."""

    place: str
    name: str
    required: bool
    schema: Node
    serialization: str


@dataclass(frozen=True)
class Body:
    """Schemas by media type."""

    required: bool
    content: Mapping[str, Node]


@dataclass(frozen=True)
class Answer:
    content: Mapping[str, Node]
    headers: Mapping[str, Parameter]


@dataclass(frozen=True)
class Operation:
    """`parameters` are by place and name, those of the path by their position, which is what a caller sees of them.

    `security` holds the alternatives; each is the set of credentials that it asks for.
    """

    method: str
    path: str
    operation_id: str | None
    deprecated: bool
    parameters: Mapping[tuple[str, str], Parameter]
    body: Body | None
    answers: Mapping[str, Answer]
    security: frozenset[frozenset[str]]


class Contract:
    """`operations` are by method and by path without the names of its parameters."""

    def __init__(self, content: Node) -> None:
        self.schemas = Schemas(content)
        self._content = content
        self._old_style = "swagger" in content
        self.operations = {(o.method, TEMPLATE.sub("{}", o.path)): o for o in self._operations()}

    def _operations(self) -> Iterator[Operation]:
        for path, item in _map(self._content.get("paths")).items():
            found = self.schemas.resolved(item)
            for method in METHODS:
                if isinstance(found.get(method), dict):
                    yield self._operation(path, method, found, found[method])

    def _operation(self, path: str, method: str, item: Node, said: Node) -> Operation:
        nodes = [self.schemas.resolved(one) for one in (*_list(item.get("parameters")), *_list(said.get("parameters")))]
        parameters = [self._parameter(node) for node in nodes if node.get("in") not in ("body", "formData")]
        positions = {name[1:-1]: str(at) for at, name in enumerate(TEMPLATE.findall(path))}
        return Operation(
            method=method.upper(),
            path=path,
            operation_id=said["operationId"] if isinstance(said.get("operationId"), str) else None,
            deprecated=said.get("deprecated") is True,
            parameters={(p.place, _key(p, positions)): p for p in parameters},
            body=self._form(said, nodes) if self._old_style else self._body(said),
            answers={str(s): self._answer(self.schemas.resolved(a), said)
                     for s, a in _map(said.get("responses")).items()},
            security=self._security(said),
        )  # fmt: skip

    def _parameter(self, node: Node) -> Parameter:
        place, content = str(node.get("in")), _map(node.get("content"))
        schema = node.get("schema") or next((_map(one).get("schema") for one in content.values()), None)
        if self._old_style and schema is None:
            schema = node  # a parameter of 2.0 is its own schema, whose `required` is no list
        said = {name: node[name] for name in _SERIALIZATION if name in node}
        style = said.get("style", _DEFAULT_STYLES.get(place))
        if style == _DEFAULT_STYLES.get(place):
            said.pop("style", None)
        if said.get("explode") is (style == "form"):
            del said["explode"]
        return Parameter(place, str(node.get("name")), node.get("required") is True, schema or {}, as_json(said))

    def _body(self, said: Node) -> Body | None:
        node = self.schemas.resolved(said.get("requestBody"))
        content = _map(node.get("content"))
        return Body(node.get("required") is True, _schemas(content)) if content else None

    def _form(self, said: Node, nodes: list[Node]) -> Body | None:
        """The body of 2.0: one parameter, or fields of a form."""
        media = _list(said.get("consumes", self._content.get("consumes")))
        body = next((node for node in nodes if node.get("in") == "body"), None)
        if body is not None:
            schema = _map(body.get("schema"))
            return Body(body.get("required") is True, {str(one).lower(): schema for one in media or [JSON]})
        fields = {str(node.get("name")): node for node in nodes if node.get("in") == "formData"}
        if not fields:
            return None
        needed = [name for name, node in fields.items() if node.get("required") is True]
        schema = {"type": "object", "properties": fields, "required": needed}
        return Body(bool(needed), {str(one).lower(): schema for one in media or [FORM]})

    def _answer(self, node: Node, said: Node) -> Answer:
        headers = {}
        for name, header in _map(node.get("headers")).items():
            found = self.schemas.resolved(header)
            headers[name.lower()] = self._parameter({**found, "in": "header", "name": name})
        if not self._old_style:
            return Answer(_schemas(_map(node.get("content"))), headers)
        media = _list(said.get("produces", self._content.get("produces"))) or [JSON]
        schema = node.get("schema")
        return Answer({str(one).lower(): schema for one in media} if isinstance(schema, dict) else {}, headers)

    def _security(self, said: Node) -> frozenset[frozenset[str]]:
        """Schemes count by what they are, not by their name. Nothing asked for is one alternative, an empty one."""
        asked = said["security"] if isinstance(said.get("security"), list) else _list(self._content.get("security"))
        found = frozenset(frozenset(self._credentials(one)) for one in asked if isinstance(one, dict))
        return found or frozenset({frozenset()})

    def _credentials(self, requirement: Node) -> Iterator[str]:
        components = self._content if self._old_style else _map(self._content.get("components"))
        schemes = _map(components.get("securityDefinitions" if self._old_style else "securitySchemes"))
        for name, scopes in requirement.items():
            scheme = self.schemas.resolved(schemes.get(name))
            said = [str(scheme.get(key)) for key in ("type", "in", "name", "scheme") if scheme.get(key)]
            kind = " ".join(said).lower().replace("http basic", "basic") if said else name
            yield kind
            yield from (f"{kind}, scope {scope}" for scope in _list(scopes))


def _key(parameter: Parameter, positions: Mapping[str, str]) -> str:
    if parameter.place == "path":
        return positions.get(parameter.name, parameter.name)
    return parameter.name.lower() if parameter.place == "header" else parameter.name


def _schemas(content: Node) -> dict[str, Node]:
    return {name.lower(): _map(_map(media).get("schema")) for name, media in content.items()}


def _map(value: Any) -> Node:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
