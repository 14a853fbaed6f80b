"""Every refusal of what somebody pushed says code, detail, file, line where there is one, and what to do next."""

import subprocess
from collections.abc import Iterator, Mapping

import pytest

from local.parts.openbao import OpenBao
from local.vault import grant, write_secret
from stoa.adapters.vault import Vault
from stoa.gitops.flows import GitOps
from stoa.gitops.model import gateway_document
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from stoa.kernel.settings import Secret
from tests.gitops.desk import Server

FOLDER = "tenants/tenant-demo/apis/orders"
API, DEV, SPEC = f"{FOLDER}/api.yaml", f"{FOLDER}/environments/dev.yaml", f"{FOLDER}/openapi.yaml"
SECRET = "apim/tenant-demo/dev/orders"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """It has the user's name and no password."""
    made = OpenBao(tmp_path_factory.mktemp("vault"))
    made.start()
    write_secret(made.url, made.token, SECRET, {"username": "u"})
    yield Vault(made.url, Secret(grant(made.url, made.token)["functions"]))
    made.stop()


def pushed(server: Server, files: Mapping[bytes, bytes]) -> tuple[int, str]:
    """A new project with one commit; a path is bytes, as in git."""
    project = int(server.ask("POST", "/projects", name=f"p{len(list(server.state.rglob('HEAD')))}")["id"])
    lines = [b"commit refs/heads/main", b"committer Dev <dev@example.com> 0 +0000", b"data 1", b"x"]
    for path, data in files.items():
        quoted = b"".join(b"\\%03o" % byte for byte in path)
        lines += [b'M 100644 inline "%s"' % quoted, b"data %d" % len(data), data]
    folder = server.state / "repositories" / f"{project}.git"
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=b"\n".join([*lines, b""]), check=True)
    return project, str(server.client.branch(project, "main"))


# what is changed in api.yaml, what is pushed besides; code, what the detail has, file, line
PREPARED = {
    "a secret that is missing": (
        ("dev/orders#username", "dev/bills#username"), {}, "SECRET_NOT_FOUND", "dev/bills", API, 14
    ),
    "a key that is missing": (("", ""), {}, "SECRET_NOT_FOUND", "no key password", API, 15),
    "a name that is not UTF-8": (
        ("", ""), {f"{FOLDER}/caf".encode() + b"\xe9.json": b"{}"}, "NOT_FOUND", "404", f"{FOLDER}/caf\ufffd.json", None
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PREPARED)
def test_what_only_a_server_knows_is_refused_with_its_place(
    files: dict[str, bytes], database: Database, server: Server, vault: Vault, name: str
) -> None:
    (old, new), more, code, said, file, line = PREPARED[name]
    files[API] = files[API].replace(old.encode(), new.encode()) if old else files[API]
    project, commit = pushed(server, {**{path.encode(): data for path, data in files.items()}, **more})
    gitops = GitOps(
        database=database,
        publish=lambda _keys: None,
        request=lambda *_: ((), ()),
        standing=lambda _project: (),
        authored=lambda *_: (),
        settle=lambda *_: (),
        gitlab=lambda: server.client,
        vault=lambda: vault,
        members=lambda *_: [],
    )
    with pytest.raises(Refused) as caught:
        gitops.prepare(project, commit, "tenant-demo/orders", "dev", "deploy")
    error = caught.value
    assert (error.code, error.file, error.line) == (code, file, line)
    assert said in error.detail
    assert error.hint


HEAD = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths:\n  /orders:\n    get:\n      responses:\n        200:\n"
JSON_HEAD = '{"openapi": "3.1.0",\n\t"info": {"title": "T", "version": "1"},\n\t"components": {"schemas": {\n'
OWN, OTHER, PATHS = "schemas/own.yaml", "schemas/other.json", "paths.yaml"
# the document, what it refers to; code, where (the document when it is nothing), line
DOCUMENTS: dict[str, tuple[str, dict[str, str], str, str, int]] = {
    "a file that is not there": (HEAD + "          $ref: no.yaml#/R\n", {}, "SPEC_EXTERNAL_REF", "", 8),
    "a file outside": (HEAD + "          description: d\n          headers:\n            x:\n"
                       "              $ref: ../x.yaml\n", {}, "SPEC_EXTERNAL_REF", "", 11),
    "an address": (JSON_HEAD + '\t"A": {},\n\t"B":\n\t{"$ref": "http://h/x"}}}}', {}, "SPEC_EXTERNAL_REF", "", 6),
    "a part that is not there": (JSON_HEAD + '\t"A": {"properties": {\n\t"p": {"items":\n\t{"$ref": "#/no"}}}}}}}', {},
                                 "SPEC_REF_UNRESOLVED", "", 6),
    "an anchor that is not there": ("openapi: 3.1.0\ncomponents:\n  schemas:\n    A:\n      anyOf:\n      - {}\n"
                                    "      - title: t\n        $ref: '#no'\n", {}, "SPEC_REF_UNRESOLVED", "", 8),
    "a list for a map": ("openapi: 3.1.0\ncomponents:\n  schemas:\n  - A\n", {}, "SPEC_INVALID", "", 3),
    "a text for a schema": (JSON_HEAD + '\t"A~/ü": {"items": 1,\n\t"allOf": [{},\n\t7]}}}}', {}, "SPEC_INVALID", "", 4),
    "an item that is a text": (JSON_HEAD + '\t"A": {"allOf": [{},\n\t7]}}}}', {}, "SPEC_INVALID", "", 5),
    "path items in a circle": ("openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a:\n    get:\n"
                               "      responses: {200: {description: d}}\n      callbacks:\n        c:\n          u:\n"
                               "            $ref: '#/paths/~1a'\n", {}, "SPEC_REF_UNRESOLVED", "", 10),
    "nothing at all": ("title: x\n", {}, "SPEC_VERSION_UNSUPPORTED", "", 1),
    "an old version": ('{"info": {},\n "swagger": "1.2"}', {}, "SPEC_VERSION_UNSUPPORTED", "", 2),
    "a missing type of security": ("openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths: {}\ncomponents:\n"
                                   "  securitySchemes:\n    k:\n      name: x\n", {}, "SPEC_INVALID", "", 6),
    "a fault in another file": (HEAD + f"          $ref: {PATHS}#/R\n", {PATHS: "a: 1\nR: [\n"}, "SPEC_NOT_PARSEABLE",
                                PATHS, 3),
    "a reference of another file": (HEAD + f"          $ref: {PATHS}#/R\n",
                                    {PATHS: "R:\n  description: d\n  headers:\n    x:\n      $ref: no.yaml\n"},
                                    "SPEC_EXTERNAL_REF", PATHS, 5),
    "a shape of another file": (JSON_HEAD + f'"S": {{"$ref": "{OTHER}#/S"}}}}}}}}',
                                {OTHER: '{"x": 1,\n"S": {"type": "object",\n"properties": []}}'}, "SPEC_INVALID",
                                OTHER, 3),
    "a path of another file": (f"openapi: 3.1.0\npaths:\n  /a:\n    $ref: {PATHS}#/a\n",
                               {PATHS: "a:\n  get:\n    responses:\n      200: [x]\n"}, "SPEC_INVALID", PATHS, 4),
    "a name that is taken from another file": (JSON_HEAD + f'"S": {{"$ref": "{OWN}"}}}}}}}}',
                                               {OWN: "type: object\nproperties:\n  a: {$ref: '#/no'}\n"},
                                               "SPEC_REF_UNRESOLVED", OWN, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_refused_with_its_place(name: str) -> None:
    text, more, code, file, line = DOCUMENTS[name]
    files = {SPEC: text.encode(), **{f"{FOLDER}/{path}": part.encode() for path, part in more.items()}}
    with pytest.raises(Refused) as caught:
        gateway_document(SPEC, files, "http://orders.internal:8080")
    error = caught.value
    assert (error.code, error.file, error.line) == (code, f"{FOLDER}/{file}" if file else SPEC, line), error.detail
    assert error.detail
    assert error.hint
