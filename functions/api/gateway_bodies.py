"""What may be sent to a gateway's admin API: exactly spelt, because the gateway drops what it does not know."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
ID = r"^[A-Za-z0-9-]{1,64}$"
URL = r"^https?://[^\s@]+$"

Name = Annotated[str, Field(pattern=NAME)]
Id = Annotated[str, Field(pattern=ID)]
Seconds = Annotated[int, Field(ge=1, le=600)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ApiImport(Strict):
    """`document` is OpenAPI 3.0 or Swagger 2.0; the gateway takes no 3.1."""

    apiName: Name
    apiVersion: Annotated[str, Field(pattern=VERSION)]
    type: Literal["openapi", "swagger"]
    document: dict[str, Any]


class NewVersion(Strict):
    """Subscriptions are always kept."""

    newApiVersion: Annotated[str, Field(pattern=VERSION)]


class Subscriptions(Strict):
    apiIDs: list[Id] = Field(max_length=500)


class Oidc(Strict):
    """`authServerAlias` names an authorization server of the gateway, `scopeName` a scope of its tokens."""

    apiId: Id
    authServerAlias: Name
    scopeName: str = Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,200}$")


class SimpleAlias(Strict):
    type: Literal["simple"]
    name: Name
    value: str = Field(max_length=10_000)
    description: str = Field("", max_length=500)


class EndpointAlias(Strict):
    """Timeouts in seconds. Changing `endPointURI` re-routes what uses it at once."""

    type: Literal["endpoint"]
    name: Name
    endPointURI: str = Field(pattern=URL, max_length=2000)
    connectionTimeout: Seconds = 30
    readTimeout: Seconds = 30
    optimizationTechnique: Literal["None", "MTOM", "SwA"] = "None"
    passSecurityHeaders: bool = False


class Credentials(Strict):
    """`password` in base64, as the gateway takes it; it never reads back."""

    userName: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=2000)
    domain: str = Field("", max_length=200)


class TransportAlias(Strict):
    type: Literal["httpTransportSecurityAlias"]
    name: Name
    authType: Literal["HTTP_BASIC"] = "HTTP_BASIC"
    authMode: Literal["NEW"] = "NEW"
    httpAuthCredentials: Credentials


Alias = Annotated[SimpleAlias | EndpointAlias | TransportAlias, Field(discriminator="type")]


class ApiState(BaseModel):
    """One API of the gateway, as it reads back."""

    id: str
    name: str
    version: str
    active: bool


class AliasRead(BaseModel):
    """An alias as the gateway shows it, without its password."""

    model_config = ConfigDict(extra="allow")
    id: str
    name: str
    type: str


class ScopeRead(BaseModel):
    """The mapping as the gateway shows it."""

    model_config = ConfigDict(extra="allow")
    id: str
    scopeName: str
    apiScopes: list[str]


class Imported(BaseModel):
    """One item for each asset of the archive."""

    items: list[dict[str, Any]]
