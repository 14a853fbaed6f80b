"""Which schema objects the importer accepts: OpenAPI 3.0 and Swagger 2.0 ones, walked by position.

A key below `properties` is a name and a value below `example`, `default` or `enum` is data; neither is looked at.
Unknown keywords are ignored, keywords that only OpenAPI 3.1 has are refused.
"""

from typing import Any

from local.emulators.webmethods.answers import Json

Where = tuple[Any, ...]

TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})
LATER_KEYWORDS = frozenset(
    "$anchor $comment $defs $dynamicAnchor $dynamicRef $id $schema $vocabulary const contains contentEncoding "
    "contentMediaType contentSchema dependentRequired dependentSchemas else examples if maxContains minContains "
    "patternProperties prefixItems propertyNames then unevaluatedItems unevaluatedProperties".split()
)
BOUNDS = ("exclusiveMinimum", "exclusiveMaximum")
LISTS = ("allOf", "anyOf", "oneOf")


class Invalid(Exception):
    """The document is not one the importer takes; says where and why."""

    def __init__(self, where: Where, why: str) -> None:
        self.why = why
        self.where = "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in flat(where))
        super().__init__(f"{self.where}: {why}")


def flat(where: Where) -> list[Any]:
    """`(((), "a"), "b")` as `["a", "b"]`: places are linked, so that walking builds no text."""
    parts: list[Any] = []
    while where:
        where, part = where
        parts.append(part)
    return parts[::-1]


def an_object(value: Any, where: Where) -> Json:
    if not isinstance(value, dict):
        raise Invalid(where, "an object is expected here")
    return value


def a_list(value: Any, where: Where) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(where, "a list is expected here")
    return value


class SchemaCheck:
    """Walks schemas and collects the references seen. `closed_allowed` = boolean additionalProperties pass."""

    def __init__(self, swagger: bool, closed_allowed: bool) -> None:
        self.types = TYPES | {"file"} if swagger else TYPES
        self.closed_allowed = closed_allowed
        self.references: dict[str, Where] = {}

    def check(self, schema: Any, where: Where) -> None:
        """Raises Invalid at the first thing that is not accepted."""
        waiting: list[tuple[Any, Where]] = [(schema, where)]
        while waiting:
            current, place = waiting.pop()
            an_object(current, place)
            if "$ref" in current:
                self.refer(current["$ref"], place)
                continue
            if not LATER_KEYWORDS.isdisjoint(current):
                raise Invalid(place, f"unexpected keyword {sorted(LATER_KEYWORDS & current.keys())[0]}")
            self._own(current, place)
            waiting += self._inner(current, place)

    def refer(self, reference: Any, where: Where) -> None:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise Invalid(where, "a reference inside the document is expected")
        self.references[reference] = where

    def _own(self, schema: Json, where: Where) -> None:
        kind = schema.get("type")
        if "type" in schema and (not isinstance(kind, str) or kind not in self.types):
            raise Invalid((where, "type"), f"type is one of {', '.join(sorted(self.types))}")
        for bound in BOUNDS:
            if not isinstance(schema.get(bound, False), bool):
                raise Invalid((where, bound), "a boolean is expected here")
        for key in ("required", "enum"):
            if key in schema:
                a_list(schema[key], (where, key))

    def _inner(self, schema: Json, where: Where) -> list[tuple[Any, Where]]:
        inner: list[tuple[Any, Where]] = []
        if "properties" in schema:
            place = (where, "properties")
            inner += [(value, (place, name)) for name, value in an_object(schema["properties"], place).items()]
        for key in LISTS:
            if key in schema:
                place = (where, key)
                inner += [(value, (place, index)) for index, value in enumerate(a_list(schema[key], place))]
        inner += [(schema[key], (where, key)) for key in ("items", "not") if key in schema]
        if "additionalProperties" in schema:
            inner += self._additional(schema["additionalProperties"], (where, "additionalProperties"))
        return inner

    def _additional(self, value: Any, where: Where) -> list[tuple[Any, Where]]:
        if not isinstance(value, bool):
            return [(value, where)]
        if not self.closed_allowed:
            raise Invalid(where, "Cannot construct instance of Schema: no boolean-argument constructor")
        return []
