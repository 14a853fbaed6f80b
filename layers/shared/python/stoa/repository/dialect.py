"""The one dialect of our YAML files: `apiVersion: stoa.cab-i.com/v1`. Unknown names are refused.

Source of the fields: docs/gitops.md.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from stoa.kernel.environments import Environment
from stoa.repository.yaml_source import Source

HINT = "docs/gitops.md shows each file"
SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
# no part of the path starts with a dot: Vault would follow `..` out of the tenant's own
REFERENCE = r"^vault:[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9_.-]*){1,20}#[A-Za-z0-9_.-]+$"
# 20 parts at most: a server of Vault takes milliseconds for each, and thousands would time out for ever
# pydantic forgives what browsers forgive (`http:/x`, `https:///x`, line breaks); the gateway gets the text as it is
URL = re.compile(r"(?i:https?)://[A-Za-z0-9\[](?:(?![<>{}])[!-\[\]-~])*\Z")


def _real(moment: str) -> str:
    datetime.fromisoformat(moment)
    return moment


Slug = Annotated[str, StringConstraints(pattern=SLUG)]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE, max_length=512)]
Seconds = Annotated[int, Field(ge=1, le=600)]
# whole seconds, so that texts compare as the times do
Moment = Annotated[
    str, StringConstraints(pattern=r"^2[0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$"),
    AfterValidator(_real),
]  # fmt: skip


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Basic(Strict):
    """Sent to the backend; both are references, resolved only inside the playbook's run."""

    type: Literal["basic"]
    usernameRef: Reference
    passwordRef: Reference


class Backend(Strict):
    """`url` is absolute; timeouts are in seconds."""

    url: Annotated[str, StringConstraints(max_length=2000)]
    timeout: Seconds = 30
    connectionTimeout: Seconds = 10
    authentication: Basic | None = None


class Security(Strict):
    type: Literal["api-key", "none"]


class RateLimit(Strict):
    """`requests` per `period` seconds; the gateway counts in whole minutes."""

    requests: Annotated[int, Field(ge=1, le=10_000_000)]
    period: Annotated[int, Field(ge=60, le=86_400, multiple_of=60)] = 60


class Policies(Strict):
    rateLimit: RateLimit | None = None
    logging: bool = True


class Lifecycle(Strict):
    """`published` is what others may find; `deprecated` says since when, and `sunset` from when it may be gone.

    Both are times in UTC with Z. The sunset is never before the deprecation: RFC 9745, section 4; RFC 8594.
    """

    state: Literal["draft", "published", "deprecated"] = "draft"
    deprecated: Moment | None = None
    sunset: Moment | None = None

    @model_validator(mode="after")
    def _dates_belong_to_a_deprecation(self) -> Self:
        given = (self.deprecated is not None, self.sunset is not None)
        if given != ((True, True) if self.state == "deprecated" else (False, False)):
            raise ValueError("`deprecated` and `sunset` belong to the state deprecated, which needs both")
        if self.deprecated is not None and self.sunset is not None and self.sunset < self.deprecated:
            raise ValueError("`sunset` is before `deprecated`")
        return self


class About(Strict):
    """What the catalogue shows of an API; `owner` is who answers for it."""

    displayName: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    version: Annotated[str, StringConstraints(pattern=VERSION)] | None = None
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    owner: Annotated[str, StringConstraints(max_length=320)] | None = None
    tags: Annotated[list[Slug], Field(max_length=50)] = []
    lifecycle: Lifecycle = Lifecycle()


class AboutApi(Strict):
    """The part of api.yaml that is the same in every environment."""

    spec: About


class ApiSpec(About):
    displayName: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    version: Annotated[str, StringConstraints(pattern=VERSION)]
    backend: Backend
    security: Security
    policies: Policies = Policies()


class ApiName(Strict):
    name: Slug
    tenant: Slug


class Api(Strict):
    """tenants/<tenant>/apis/<api>/api.yaml"""

    apiVersion: Literal["stoa.cab-i.com/v1"]
    kind: Literal["API"]
    metadata: ApiName
    spec: ApiSpec


class EnvironmentName(Strict):
    name: Slug
    environment: Environment


class ApiEnvironment(Strict):
    """tenants/<tenant>/apis/<api>/environments/<environment>.yaml"""

    apiVersion: Literal["stoa.cab-i.com/v1"]
    kind: Literal["APIEnvironmentConfig"]
    metadata: EnvironmentName
    variables: dict[str, Any] = {}


class Defaults(Strict):
    """_defaults.yaml, environments/<environment>/config.yaml and an API's environments/_defaults.yaml"""

    apiVersion: Literal["stoa.cab-i.com/v1"]
    kind: Literal["Defaults"]
    variables: dict[str, Any] = {}


Kind = TypeVar("Kind", bound=Strict)


def checked(kind: type[Kind], source: Source, content: dict[str, Any]) -> Kind:
    """The content as its kind. Raises Refused with field, file and line of the first fault."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(part for part in first["loc"] if isinstance(part, str | int))
        said = {"extra_forbidden": "there is no such field", "missing": "this field is missing"}
        detail = said.get(first["type"], first["msg"])
        field = ".".join(str(part) for part in path)
        raise source.refused("FILE_INVALID", f"{field}: {detail}", path, hint=HINT) from error


def host_of(value: str) -> str | None:
    """The host of a URL that the gateway could route to, as browsers write it; None for any other: http or https, with
    a host and without credentials, in ASCII."""
    if not URL.match(value):
        return None
    try:
        url = TypeAdapter(HttpUrl).validate_python(value)
    except ValidationError:
        return None
    return None if url.username or url.password or url.fragment else url.host
