"""One API in one environment, as its files at one commit define it."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stoa.kernel.errors import Refused
from stoa.repository.dialect import About, AboutApi, Api, ApiEnvironment, Basic, Defaults, checked, host_of
from stoa.repository.nearby import is_nearby
from stoa.repository.variables import NAME, Resolver, Variable
from stoa.repository.yaml_source import Path, Source, read

SPEC_NAMES = ("openapi.yaml", "openapi.yml", "openapi.json", "swagger.yaml", "swagger.json")
PARTS = (".yaml", ".yml", ".json")
MAX_FILES = 200
SPEC_HINT = f"push exactly one of {', '.join(SPEC_NAMES)}"
URL_HINT = "write it as http://host:port/path; credentials belong in spec.backend.authentication"
NEARBY_HINT = "name the backend's own host, as the gateway reaches it; a private address such as 10.0.0.8 is taken"
SECRET = "vault:"  # noqa: S105  the prefix of a reference, not a secret
SECRETS = "secret/apim"
SECRET_FIELDS = frozenset({"usernameRef", "passwordRef"})


@dataclass(frozen=True)
class SecretRef:
    """`path` starts with the mount. `file` and `line` say where it is asked for."""

    path: str
    key: str
    file: str
    line: int | None


@dataclass(frozen=True)
class Definition:
    """Resolved: no placeholder is left, secrets are references. `digest` is the same for the same inputs."""

    api: Api
    spec_path: str
    secret_refs: tuple[SecretRef, ...]
    digest: str

    @property
    def version(self) -> str:
        return self.api.spec.version

    def launch_vars(self) -> dict[str, Any]:
        """The part of extra_vars that comes from Git: backend, security, policies."""
        spec = self.api.spec
        backend: dict[str, Any] = {
            "url": spec.backend.url,
            "connection_timeout_s": spec.backend.connectionTimeout,
            "read_timeout_s": spec.backend.timeout,
        }
        if spec.backend.authentication is not None:
            backend["authentication"] = _authentication(spec.backend.authentication)
        policies: dict[str, Any] = {"logging": spec.policies.logging}
        if spec.policies.rateLimit is not None:
            limit = spec.policies.rateLimit
            policies["rate_limit"] = {"requests": limit.requests, "period_s": limit.period}
        return {"backend": backend, "security": {"type": spec.security.type}, "policies": policies}


def api_folder(tenant: str, api: str) -> str:
    return f"tenants/{tenant}/apis/{api}"


def folders(tenant: str, api: str, environment: str) -> tuple[str, str]:
    """Where `sources` looks, beside the topmost folder."""
    return f"environments/{environment}", api_folder(tenant, api)


def sources(tree: Collection[str], tenant: str, api: str, environment: str) -> list[str]:
    """The files among `tree` that can define the API in that environment. Raises Refused for too many."""
    folder = api_folder(tenant, api) + "/"
    shared = {"_defaults.yaml", f"environments/{environment}/config.yaml"}
    own = {f"{folder}environments/{name}.yaml" for name in ("_defaults", environment)}
    parts = {path for path in tree if _is_part(path, folder)}
    if len(parts) > MAX_FILES:
        detail = f"{len(parts)} YAML and JSON files, and an API may have {MAX_FILES}"
        hint = "move out of the API's folder what its definition does not refer to"
        raise Refused("TOO_MANY_FILES", detail, file=folder.rstrip("/"), hint=hint)
    return sorted((set(tree) & (shared | own)) | parts)


def _is_part(path: str, folder: str) -> bool:
    """What a $ref can lead to; pictures, archives and texts beside the document are never read."""
    return path.startswith(folder) and path.endswith(PARTS) and not path.startswith(f"{folder}environments/")


def definition(
    files: Mapping[str, bytes], tenant: str, api: str, environment: str, nearby: Collection[str] = ()
) -> Definition:
    """`nearby` are hosts that a backend may have although they lead nowhere else than to the gateway's own machine.

    Raises Refused with file and line when the files do not define the API, or not completely.
    """
    folder = api_folder(tenant, api)
    source = _needed(files, f"{folder}/api.yaml", "there is no such API at this commit")
    resolver = Resolver(_variables(files, folder, api, environment))
    content = resolver.resolve(source, source.content)
    resolver.finish()
    _no_stray_secrets(source, content, ())
    found = checked(Api, source, content)
    if (found.metadata.tenant, found.metadata.name) != (tenant, api):
        hint = f"write tenant: {tenant} and name: {api}, or rename the folder"
        raise source.refused("NAME_MISMATCH", f"the folder says {tenant}/{api}, the file does not", ("metadata",), hint)
    _routable(found, source, nearby)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return Definition(found, _spec_path(files, folder), _secret_refs(found, source, tenant), digest)


def _routable(found: Api, source: Source, nearby: Collection[str]) -> None:
    where, host = ("spec", "backend", "url"), host_of(found.spec.backend.url)
    if host is None:
        # the value is not repeated: what is wrong with it may be a password in it
        detail = "the backend's url is no absolute http(s) URL in ASCII without credentials and fragment"
        raise source.refused("BACKEND_URL_INVALID", detail, where, URL_HINT)
    if is_nearby(host) and host not in nearby:
        detail = f"{host} is the gateway's own machine, or a service that only its machine is to ask"
        raise source.refused("BACKEND_NOT_ALLOWED", detail, where, NEARBY_HINT)


def about(data: bytes, file: str) -> About:
    """What api.yaml says of the API in every environment: a field with a placeholder in it may differ, and is left out,
    but for the lifecycle, of which an API has one.

    Raises Refused with field, file and line.
    """
    source = read(data, file)
    spec = source.content.get("spec")
    stated = {name: spec[name] for name in About.model_fields if name in spec} if isinstance(spec, dict) else {}
    plain = {name: value for name, value in stated.items() if name == "lifecycle" or "${" not in str(value)}
    return checked(AboutApi, source, {"spec": plain}).spec


def _variables(files: Mapping[str, bytes], folder: str, api: str, environment: str) -> dict[str, Variable]:
    """Weakest first: root defaults, the environment, the API's defaults, the API's environment."""
    found: dict[str, Variable] = {}
    weaker = ("_defaults.yaml", f"environments/{environment}/config.yaml", f"{folder}/environments/_defaults.yaml")
    for path in weaker:
        if path in files:
            source = read(files[path], path)
            found.update(_named(source, checked(Defaults, source, source.content).variables))
    own = f"{folder}/environments/{environment}.yaml"
    source = _needed(files, own, f"the API has no environment {environment} at this commit")
    stated = checked(ApiEnvironment, source, source.content)
    if (stated.metadata.name, stated.metadata.environment) != (api, environment):
        hint = f"write name: {api} and environment: {environment}, or rename the file"
        detail = f"the path says {api} in {environment}, the file does not"
        raise source.refused("NAME_MISMATCH", detail, ("metadata",), hint)
    found.update(_named(source, stated.variables))
    return found


def _named(source: Source, variables: dict[str, Any]) -> dict[str, Variable]:
    for name in variables:
        if not NAME.match(name):
            detail = f"{name} is no variable name: use A-Z, 0-9 and _"
            hint = "rename it here and in its placeholders; it starts with a letter"
            raise source.refused("VARIABLE_INVALID", detail, ("variables", name), hint)
    made = {}
    for name, value in variables.items():
        path = ("variables", name)
        made[name] = Variable(value, source.file, source.line(path), source.written.get(path))
    return made


def _needed(files: Mapping[str, bytes], path: str, why: str) -> Source:
    if path not in files:
        raise Refused("UNKNOWN_API", why, file=path, hint="push the missing file")
    return read(files[path], path)


def _spec_path(files: Mapping[str, bytes], folder: str) -> str:
    found = [f"{folder}/{name}" for name in SPEC_NAMES if f"{folder}/{name}" in files]
    if len(found) != 1:
        said = "has no OpenAPI document" if not found else f"has more than one OpenAPI document: {', '.join(found)}"
        raise Refused(
            "SPEC_MISSING" if not found else "SPEC_AMBIGUOUS", f"{folder} {said}", file=folder, hint=SPEC_HINT
        )
    return found[0]


def _no_stray_secrets(source: Source, value: Any, path: Path) -> None:
    """A reference anywhere but in backend authentication would reach the gateway as text."""
    if isinstance(value, dict):
        for key, item in value.items():
            _no_stray_secrets(source, item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _no_stray_secrets(source, item, (*path, index))
    elif isinstance(value, str) and SECRET in value:
        allowed = path[:-1] == ("spec", "backend", "authentication") and path[-1] in SECRET_FIELDS
        if not allowed:
            hint = "secrets belong in spec.backend.authentication.usernameRef and passwordRef"
            raise source.refused("SECRET_NOT_ALLOWED_HERE", "a secret reference is not allowed here", path, hint)


def _secret_refs(found: Api, source: Source, tenant: str) -> tuple[SecretRef, ...]:
    """Only below the tenant's own path: a reference to another's would send that secret to this API's backend."""
    basic = found.spec.backend.authentication
    if basic is None:
        return ()
    base: Path = ("spec", "backend", "authentication")
    made = []
    for name, reference in (("usernameRef", basic.usernameRef), ("passwordRef", basic.passwordRef)):
        path, _, key = reference.removeprefix(SECRET).partition("#")
        if not path.startswith(f"{SECRETS}/{tenant}/"):
            detail = f"secrets of this tenant are below vault:{SECRETS}/{tenant}/"
            hint = "write the secret there, or correct the reference"
            raise source.refused("SECRET_NOT_ALLOWED_HERE", detail, (*base, name), hint)
        made.append(SecretRef(path, key, source.file, source.line((*base, name))))
    return tuple(made)


def _authentication(basic: Basic) -> dict[str, str]:
    return {"type": "basic", "username_ref": basic.usernameRef, "password_ref": basic.passwordRef}
