"""Where a key is a keyword, where it is a name and where it is data: the tables every walk follows.

Each kind of object is one line of text. `name:str` is a scalar, `name:kind` one object of that kind,
`name:[kind]` a list of them, `name:{kind}` a map whose keys are names. `!` marks a required field and
`*` stands for every key that does not start with `x-`. What a table does not mention is data or
unknown, and no walk enters it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

SCALARS = frozenset({"any", "str", "bool", "num", "int", "strs", "array", "object", "type", "types", "bound"})


class Field(NamedTuple):
    """`shape` is `one`, `list`, `map`, `closable` (an object or a boolean) or a scalar's name."""

    shape: str
    kind: str = ""


class Kind(NamedTuple):
    """One kind of object: its fields, what every other key holds, and what must be there."""

    name: str
    fields: Mapping[str, Field]
    every: Field | None
    required: tuple[str, ...]
    referable: bool


Grammar: TypeAlias = Mapping[str, Kind]


def compile_grammar(table: Mapping[str, str], referable: frozenset[str]) -> dict[str, Kind]:
    """Read a table of lines into kinds."""
    return {name: _kind(name, line, name in referable) for name, line in table.items()}


def _kind(name: str, line: str, referable: bool) -> Kind:
    fields: dict[str, Field] = {}
    required = []
    for part in line.split():
        key, _, form = part.rpartition(":")
        if key.endswith("!"):
            key = key[:-1]
            required.append(key)
        fields[key] = _field(form)
    every = fields.pop("*", None)
    return Kind(name, fields, every, tuple(required), referable)


def _field(form: str) -> Field:
    if form in SCALARS:
        return Field(form)
    if form.startswith("["):
        return Field("list", form[1:-1])
    if form.startswith("{"):
        return Field("map", form[1:-1])
    if form.endswith("?"):
        return Field("closable", form[:-1])
    return Field("one", form)


_OPERATIONS = " ".join(f"{m}:operation" for m in ("get", "put", "post", "delete", "options", "head", "patch", "trace"))
_SCHEMA_BASE = (
    "title:str multipleOf:num maximum:num minimum:num maxLength:int minLength:int pattern:str maxItems:int minItems:int"
    " uniqueItems:bool maxProperties:int minProperties:int required:strs enum:array allOf:[schema] anyOf:[schema]"
    " oneOf:[schema] not:schema items:schema properties:{schema} description:str format:str default:any"
    " discriminator:discriminator readOnly:bool writeOnly:bool example:any externalDocs:externalDocs deprecated:bool"
    " xml:xml"
)
_PARAMETER = (
    "description:str required:bool deprecated:bool allowEmptyValue:bool style:str explode:bool allowReserved:bool"
    " schema:schema example:any examples:{example} content:{mediaType}"
)
_FLOW = "scopes!:object refreshUrl:str"

# OpenAPI 3.0.3, chapter 4.7, as the published JSON Schema of 3.0 states it.
_V30 = {
    "document": "openapi!:str info!:info externalDocs:externalDocs servers:[server] security:[requirement] tags:[tag]"
    " paths!:paths components:components",
    "info": "title!:str version!:str description:str termsOfService:str contact:contact license:license",
    "contact": "name:str url:str email:str",
    "license": "name!:str url:str",
    "server": "url!:str description:str variables:{serverVariable}",
    "serverVariable": "default!:str enum:strs description:str",
    "externalDocs": "url!:str description:str",
    "tag": "name!:str description:str externalDocs:externalDocs",
    "requirement": "*:strs",
    "paths": "*:pathItem",
    "pathItem": f"$ref:str summary:str description:str servers:[server] parameters:[parameter] {_OPERATIONS}",
    "operation": "tags:strs summary:str description:str externalDocs:externalDocs operationId:str"
    " parameters:[parameter] requestBody:requestBody responses!:responses callbacks:{callback} deprecated:bool"
    " security:[requirement] servers:[server]",
    "responses": "*:response",
    "response": "description!:str headers:{header} content:{mediaType} links:{link}",
    "parameter": f"name!:str in!:str {_PARAMETER}",
    "header": _PARAMETER,
    "requestBody": "content!:{mediaType} description:str required:bool",
    "mediaType": "schema:schema example:any examples:{example} encoding:{encoding}",
    "encoding": "contentType:str headers:{header} style:str explode:bool allowReserved:bool",
    "example": "summary:str description:str value:any externalValue:str",
    "link": "operationId:str operationRef:str parameters:object requestBody:any description:str server:server",
    "callback": "*:pathItem",
    "components": "schemas:{schema} responses:{response} parameters:{parameter} examples:{example}"
    " requestBodies:{requestBody} headers:{header} securitySchemes:{securityScheme} links:{link} callbacks:{callback}",
    "securityScheme": "type!:str description:str name:str in:str scheme:str bearerFormat:str flows:flows"
    " openIdConnectUrl:str",
    "flows": "implicit:implicitFlow password:passwordFlow clientCredentials:clientFlow authorizationCode:codeFlow",
    "implicitFlow": f"authorizationUrl!:str {_FLOW}",
    "passwordFlow": f"tokenUrl!:str {_FLOW}",
    "clientFlow": f"tokenUrl!:str {_FLOW}",
    "codeFlow": f"authorizationUrl!:str tokenUrl!:str {_FLOW}",
    "discriminator": "propertyName!:str mapping:object",
    "xml": "name:str namespace:str prefix:str attribute:bool wrapped:bool",
    "schema": f"type:type {_SCHEMA_BASE} additionalProperties:schema? nullable:bool exclusiveMaximum:bool"
    " exclusiveMinimum:bool",
}

# What 3.1.0 (with JSON Schema 2020-12) adds to or changes in 3.0.
_V31 = {
    **_V30,
    "document": _V30["document"].replace("paths!", "paths") + " webhooks:{pathItem} jsonSchemaDialect:str",
    "info": _V30["info"] + " summary:str",
    "license": _V30["license"] + " identifier:str",
    "operation": _V30["operation"].replace("responses!", "responses"),
    "components": _V30["components"] + " pathItems:{pathItem}",
    "schema": f"type:types {_SCHEMA_BASE} additionalProperties:schema? nullable:any exclusiveMaximum:bound"
    " exclusiveMinimum:bound $ref:str $dynamicRef:str $id:str $anchor:str $dynamicAnchor:str $schema:any"
    " $comment:any $vocabulary:any $defs:{schema} definitions:{schema} const:any examples:any prefixItems:[schema]"
    " patternProperties:{schema} if:schema then:schema else:schema dependentRequired:object dependentSchemas:{schema}"
    " contains:schema minContains:any maxContains:any propertyNames:schema unevaluatedProperties:schema"
    " unevaluatedItems:schema contentEncoding:any contentMediaType:any contentSchema:schema",
}

_ITEMS_V20 = (
    "type:str format:str items:items collectionFormat:str default:any maximum:num exclusiveMaximum:bool minimum:num"
    " exclusiveMinimum:bool maxLength:int minLength:int pattern:str maxItems:int minItems:int uniqueItems:bool"
    " enum:array multipleOf:num"
)
# Swagger 2.0; only the places a walk must know are told apart, values are left to the gateway.
_V20 = {
    "document": "swagger!:str info!:info host:str basePath:str schemes:strs consumes:strs produces:strs paths!:paths"
    " definitions:{schema} parameters:{parameter} responses:{response} securityDefinitions:{securityScheme}"
    " security:[requirement] tags:[tag] externalDocs:externalDocs",
    **{name: _V30[name] for name in ("info", "contact", "license", "externalDocs", "tag", "requirement", "xml")},
    "paths": "*:pathItem",
    "pathItem": "$ref:str parameters:[parameter] " + _OPERATIONS.replace(" trace:operation", ""),
    "operation": "tags:strs summary:str description:str externalDocs:externalDocs operationId:str consumes:strs"
    " produces:strs parameters:[parameter] responses!:responses schemes:strs deprecated:bool security:[requirement]",
    "responses": "*:response",
    "response": "description!:str schema:schema headers:{header} examples:object",
    "parameter": f"name!:str in!:str description:str required:bool allowEmptyValue:bool schema:schema {_ITEMS_V20}",
    "header": f"description:str {_ITEMS_V20}",
    "items": _ITEMS_V20,
    "securityScheme": "type!:str description:str name:str in:str flow:str authorizationUrl:str tokenUrl:str"
    " scopes:object",
    "schema": f"type:types {_SCHEMA_BASE} additionalProperties:schema? exclusiveMaximum:bool"
    " exclusiveMinimum:bool".replace("discriminator:discriminator", "discriminator:str")
    .replace("anyOf:[schema] ", "")
    .replace("oneOf:[schema] ", "")
    .replace("not:schema ", "")
    .replace("writeOnly:bool ", "")
    .replace("deprecated:bool ", ""),
}

_REFERABLE = frozenset(
    "schema response parameter example requestBody header securityScheme link callback".split()  # the nine of 3.x
)
V30: Grammar = compile_grammar(_V30, _REFERABLE)
V31: Grammar = compile_grammar(_V31, _REFERABLE)
V20: Grammar = compile_grammar(_V20, frozenset({"schema", "response", "parameter"}))

SECTIONS_V3: Mapping[str, str] = {
    field.kind: section for section, field in V30["components"].fields.items() if field.shape == "map"
}
"""Kind of object to its section below `components`."""
SECTIONS_V2: Mapping[str, str] = {"schema": "definitions", "parameter": "parameters", "response": "responses"}
"""Kind of object to its section at the root of a Swagger 2.0 document."""
