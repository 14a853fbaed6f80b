"""One API in one environment: what is read, and what is refused with code, field, file, line and hint."""

import pytest

from stoa.gitops.model import Change, affected
from stoa.kernel.errors import Refused
from stoa.repository.definition import MAX_FILES, Definition, SecretRef, definition, sources

FOLDER = "tenants/tenant-demo/apis/orders"
API, DEV, SPEC = f"{FOLDER}/api.yaml", f"{FOLDER}/environments/dev.yaml", f"{FOLDER}/openapi.yaml"
SHARED = ("_defaults.yaml", "environments/dev/config.yaml", f"{FOLDER}/environments/_defaults.yaml")
PASSWORD = "hunter2-not-in-any-message"


def defined(files: dict[str, bytes]) -> Definition:
    return definition(files, "tenant-demo", "orders", "dev")


def refusal(files: dict[str, bytes]) -> Refused:
    with pytest.raises(Refused) as caught:
        defined(files)
    return caught.value


def replaced(files: dict[str, bytes], path: str, old: str, new: str) -> int:
    """Returns the line in which the change stands."""
    text = files[path].decode()
    assert text.count(old) == 1, old
    files[path] = text.replace(old, new).encode()
    return text[: text.index(old)].count("\n") + 1


def test_reads_an_api(files: dict[str, bytes]) -> None:
    found = defined(files)
    reference = "vault:secret/apim/tenant-demo/dev/orders"
    assert found.version == "1.0.0"
    assert found.spec_path == SPEC
    assert found.launch_vars() == {
        "backend": {
            "url": "http://orders.internal:8080",
            "connection_timeout_s": 10,
            "read_timeout_s": 5,
            "authentication": {
                "type": "basic", "username_ref": f"{reference}#username", "password_ref": f"{reference}#password",
            },
        },
        "security": {"type": "api-key"},
        "policies": {"logging": True, "rate_limit": {"requests": 100, "period_s": 60}},
    }  # fmt: skip
    path = "secret/apim/tenant-demo/dev/orders"
    assert found.secret_refs == (SecretRef(path, "username", API, 14), SecretRef(path, "password", API, 15))


def test_what_is_optional_may_be_missing(files: dict[str, bytes]) -> None:
    authentication = files[API].decode().partition("    authentication:")[2].partition("  security:")[0]
    replaced(files, API, "    authentication:" + authentication, "")
    policies = "  policies:" + files[API].decode().partition("  policies:")[2]
    replaced(files, API, policies, "")
    found = defined(files)
    assert found.secret_refs == ()
    assert found.launch_vars()["policies"] == {"logging": True}
    assert "authentication" not in found.launch_vars()["backend"]


# code, field, and what is changed: file, old text, new text; the line is where it stands
FAULTS: dict[str, tuple[str, str | None, str, str, str]] = {
    "an unknown field": ("FILE_INVALID", "spec.colour", API, "  displayName:", "  colour: red\n  displayName:"),
    "a misspelt field": ("FILE_INVALID", "spec.backend.timeOut", API, "timeout: ${", "timeOut: ${"),
    "a field of the earlier dialect": ("FILE_INVALID", "spec.policies.cors", API, "logging:", "cors: {}\n    logging:"),
    "an unknown field at the top": ("FILE_INVALID", "status", API, "spec:", "status: {}\nspec:"),
    "the dialect before": ("FILE_INVALID", "apiVersion", API, "stoa.cab-i.com/v1", "gostoa.dev/v1beta1"),
    "another kind": ("FILE_INVALID", "kind", API, "kind: API", "kind: Tenant"),
    "a version that is a number": ("FILE_INVALID", "spec.version", API, "1.0.0", "1.0"),
    "a version with a slash": ("FILE_INVALID", "spec.version", API, "1.0.0", "1/0"),
    "a version with a line end": ("FILE_INVALID", "spec.version", API, "1.0.0", '"1.0\\n"'),
    "a name that is a truth": ("FILE_INVALID", "spec.displayName", API, "displayName: Orders", "displayName: no"),
    "an empty name": ("FILE_INVALID", "spec.displayName", API, "displayName: Orders", "displayName: ''"),
    "a name that is no slug": ("FILE_INVALID", "metadata.name", API, "name: orders", "name: Orders_2"),
    "a timeout that is text": ("FILE_INVALID", "spec.backend.timeout", API, "${TIMEOUT:5}", "'5'"),
    "a timeout of nothing": ("FILE_INVALID", "spec.backend.timeout", API, "${TIMEOUT:5}", "${TIMEOUT:}"),
    "a timeout of zero": ("FILE_INVALID", "spec.backend.timeout", API, "${TIMEOUT:5}", "0"),
    "a timeout too long": ("FILE_INVALID", "spec.backend.timeout", API, "${TIMEOUT:5}", "601"),
    "a timeout that is a truth": ("FILE_INVALID", "spec.backend.timeout", API, "${TIMEOUT:5}", "yes"),
    "a timeout that is a fraction": ("FILE_INVALID", "spec.backend.timeout", API, "${TIMEOUT:5}", "5.0"),
    "half a minute": ("FILE_INVALID", "spec.policies.rateLimit.period", API, "requests: 100",
                      "period: 90\n      requests: 100"),
    "a list for a map": ("FILE_INVALID", "spec.security", API, "  security:\n    type: api-key",
                         "  security: [api-key]"),
    "another security": ("FILE_INVALID", "spec.security.type", API, "type: api-key", "type: oauth2"),
    "a bad tag": ("FILE_INVALID", "spec.tags.1", API, "  displayName:", "  tags: [a, B_]\n  displayName:"),
    "a plain password": ("FILE_INVALID", "spec.backend.authentication.passwordRef", API,
                         "vault:secret/apim/tenant-demo/dev/orders#password", PASSWORD),
    "a reference without key": ("FILE_INVALID", "spec.backend.authentication.passwordRef", API, "#password", ""),
    "a reference that climbs": ("FILE_INVALID", "spec.backend.authentication.passwordRef", API,
                                "tenant-demo/dev/orders#password", "tenant-demo/../tenant-b/orders#password"),
    "a secret of another tenant": ("SECRET_NOT_ALLOWED_HERE", "spec.backend.authentication.passwordRef", API,
                                   "tenant-demo/dev/orders#password", "tenant-demo2/dev/orders#password"),
    "a secret of the platform": ("SECRET_NOT_ALLOWED_HERE", "spec.backend.authentication.usernameRef", API,
                                 "apim/tenant-demo/dev/orders#username", "apim/dev/gateway-admin#username"),
    "a secret of another mount": ("SECRET_NOT_ALLOWED_HERE", "spec.backend.authentication.usernameRef", API,
                                  "secret/apim/tenant-demo/dev/orders#username", "kv/apim/tenant-demo/a#username"),
    "a secret in a text": ("SECRET_NOT_ALLOWED_HERE", "spec.description", API, "  displayName:",
                           "  description: see vault:secret/x#k\n  displayName:"),
    "a secret in the address": ("SECRET_NOT_ALLOWED_HERE", "spec.backend.url", API, "${BACKEND_URL}",
                                "${PW:vault:secret/apim/tenant-demo/dev/orders#password}"),
    "a secret as a tag": ("SECRET_NOT_ALLOWED_HERE", "spec.tags.0", API, "  displayName:",
                          "  tags: ['vault:secret/x#k']\n  displayName:"),
    "an address with a password": ("BACKEND_URL_INVALID", "spec.backend.url", API, "${BACKEND_URL}",
                                   f"https://me:{PASSWORD}@example.com"),
    "an address with a brace": ("BACKEND_URL_INVALID", "spec.backend.url", API, "${BACKEND_URL}", "'http://h/{x}'"),
    "a secret too deep": ("FILE_INVALID", "spec.backend.authentication.passwordRef", API,
                          "demo/dev/orders#password", f"demo{'/a' * 30}#password"),
    "an address of nothing": ("BACKEND_URL_INVALID", "spec.backend.url", API, "${BACKEND_URL}", "''"),
    "an address with an empty host": ("BACKEND_URL_INVALID", "spec.backend.url", API, "${BACKEND_URL}",
                                      "https://${DOMAIN:}/orders"),
    "an address of the gateway itself": ("BACKEND_NOT_ALLOWED", "spec.backend.url", API, "${BACKEND_URL}",
                                         "http://127.0.0.2:8080/orders"),
    "a missing variable": ("VARIABLE_MISSING", None, API, "${TIMEOUT:5}", "${TIMEOUT}"),
    "a variable in small letters": ("VARIABLE_INVALID", None, API, "${TIMEOUT:5}", "${timeout:5}"),
    "a tenant that is not the folder's": ("NAME_MISMATCH", "metadata", API,
                                          "metadata:\n  name: orders\n  tenant: tenant-demo",
                                          "metadata:\n  name: orders\n  tenant: tenant-b"),
    "an API that is not the folder's": ("NAME_MISMATCH", "metadata", API,
                                       "metadata:\n  name: orders", "metadata:\n  name: bills"),
    "an environment that is not the file's": ("NAME_MISMATCH", "metadata", DEV,
                                              "metadata:\n  name: orders\n  environment: dev",
                                              "metadata:\n  name: orders\n  environment: prod"),
    "an unknown environment": ("FILE_INVALID", "metadata.environment", DEV, "environment: dev", "environment: qa"),
    "variables that are a list": ("FILE_INVALID", "variables", DEV,
                                  "variables:\n  BACKEND_URL: http://orders.internal:8080",
                                  "variables: [a]"),
    "a variable named by a number": ("VARIABLE_INVALID", "variables.12", DEV, "BACKEND_URL:", "12: x\n  BACKEND_URL:"),
    "a name twice": ("YAML_DUPLICATE_KEY", None, DEV, "  BACKEND_URL: http://orders.internal:8080",
                     "  A: 1\n  BACKEND_URL: http://orders.internal:8080\n  A: 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_refuses_with_its_place(files: dict[str, bytes], name: str) -> None:
    code, field, path, old, new = FAULTS[name]
    line = replaced(files, path, old, new) + {"YAML_DUPLICATE_KEY": 2, "NAME_MISMATCH": 1}.get(code, 0)
    error = refusal(files)
    assert (error.code, error.field, error.file, error.line) == (code, field, path, line)
    assert PASSWORD not in f"{error} {error.detail} {error.hint} {error.field}"
    assert error.detail
    assert error.hint


MISSING = {
    "kind": (API, "kind: API\n", 1),
    "spec.version": (API, "  version: 1.0.0\n", 7),
    "spec.displayName": (API, "  displayName: Orders\n", 7),
    "spec.backend.url": (API, "    url: ${BACKEND_URL}\n", 10),
    "spec.security.type": (API, "    type: api-key\n", 17),
    "spec.policies.rateLimit.requests": (API, "      requests: 100\n", 21),
    "metadata.tenant": (API, "  tenant: tenant-demo\n", 4),
    "metadata.environment": (DEV, "  environment: dev\n", 4),
}


@pytest.mark.parametrize("field", MISSING)
def test_a_missing_field_is_named_at_what_should_hold_it(files: dict[str, bytes], field: str) -> None:
    path, gone, line = MISSING[field]
    empties = {"spec.security.type": "    {}\n", "spec.policies.rateLimit.requests": "      {}\n"}
    replaced(files, path, gone, empties.get(field, ""))
    error = refusal(files)
    assert (error.code, error.field, error.file, error.line) == ("FILE_INVALID", field, path, line)
    assert error.detail == f"{field}: this field is missing"
    assert error.hint == "docs/gitops.md shows each file"


@pytest.mark.parametrize(("gone", "code", "place"), [
    (API, "UNKNOWN_API", API), (DEV, "UNKNOWN_API", DEV), (SPEC, "SPEC_MISSING", FOLDER),
])  # fmt: skip
def test_a_missing_file_is_refused(files: dict[str, bytes], gone: str, code: str, place: str) -> None:
    del files[gone]
    assert (refusal(files).code, refusal(files).file) == (code, place)


def test_two_documents_are_refused(files: dict[str, bytes]) -> None:
    files[f"{FOLDER}/swagger.json"] = b"{}"
    error = refusal(files)
    assert error.code == "SPEC_AMBIGUOUS"
    assert SPEC in error.detail
    assert f"{FOLDER}/swagger.json" in error.detail


def test_a_weaker_file_of_the_wrong_kind_is_refused(files: dict[str, bytes]) -> None:
    files["_defaults.yaml"] = files[DEV]
    error = refusal(files)
    assert (error.code, error.file, error.line, error.field) == ("FILE_INVALID", "_defaults.yaml", 2, "kind")


def test_the_digest_is_that_of_what_was_meant(files: dict[str, bytes]) -> None:
    before = defined(files).digest
    assert defined(dict(reversed(files.items()))).digest == before
    replaced(
        files, API, "  displayName: Orders\n  version: 1.0.0\n", "  version:   1.0.0 # same\n  displayName: 'Orders'\n"
    )
    replaced(files, API, "${TIMEOUT:5}", "${SECONDS}")
    replaced(files, DEV, "variables:\n", "variables:\n  SECONDS: 5\n  UNUSED: 1\n")
    assert defined(files).digest == before
    replaced(files, DEV, "SECONDS: 5", "SECONDS: 6")
    assert defined(files).digest != before


def test_a_variable_may_be_a_list(files: dict[str, bytes]) -> None:
    replaced(files, API, "  displayName:", "  tags: ${TAGS}\n  displayName:")
    replaced(files, DEV, "variables:\n", "variables:\n  TAGS: ['${KIND}', b]\n  KIND: a\n")
    assert defined(files).api.spec.tags == ["a", "b"]


def test_a_version_is_put_into_a_text_as_it_is_written(files: dict[str, bytes]) -> None:
    replaced(files, API, "version: 1.0.0", "version: v${NUMBER}")
    replaced(files, DEV, "variables:\n", "variables:\n  NUMBER: 1.10\n")
    assert defined(files).version == "v1.10"


def test_picks_the_files_that_define_an_api(files: dict[str, bytes]) -> None:
    mine = {
        *files,
        "_defaults.yaml",
        "environments/dev/config.yaml",
        f"{FOLDER}/environments/_defaults.yaml",
        f"{FOLDER}/a/b.json",
        f"{FOLDER}/c.yml",
    }
    others = {f"{FOLDER}/README.md", f"{FOLDER}/film.mp4", f"{FOLDER}/a/yaml",
              "environments/prod/config.yaml", f"{FOLDER}/environments/prod.yaml", f"{FOLDER}2/api.yaml", "README.md",
              "tenants/tenant-demo/_defaults.yaml", "x/_defaults.yaml"}  # fmt: skip
    assert sources(mine | others, "tenant-demo", "orders", "dev") == sorted(mine)


def test_every_file_that_defines_an_api_touches_it(files: dict[str, bytes]) -> None:
    tree = {
        *files,
        "_defaults.yaml",
        "environments/dev/config.yaml",
        f"{FOLDER}/environments/_defaults.yaml",
        f"{FOLDER}/a\nb.yaml",
    }
    for path in sources(tree, "tenant-demo", "orders", "dev"):
        assert [(i.api, i.environment) for i in affected([Change(path)], tree).items] == [("orders", "dev")], path


def test_too_many_files_are_refused_before_any_is_read(files: dict[str, bytes]) -> None:
    schemas = {f"{FOLDER}/schemas/{number}.json" for number in range(MAX_FILES)}
    with pytest.raises(Refused) as caught:
        sources({*files, *schemas}, "tenant-demo", "orders", "dev")
    assert (caught.value.code, caught.value.file) == ("TOO_MANY_FILES", FOLDER)
    assert caught.value.hint


def test_a_missing_document_comes_with_the_names_it_may_have(files: dict[str, bytes]) -> None:
    files[f"{FOLDER}/swagger.yml"] = files.pop(SPEC)
    error = refusal(files)
    assert (error.code, error.file) == ("SPEC_MISSING", FOLDER)
    assert "openapi.yaml" in str(error.hint)
