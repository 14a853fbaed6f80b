"""Every refusal of what somebody pushed says code, detail, file, line where there is one, and what to do next."""

import subprocess
from collections.abc import Iterator, Mapping

import pytest

from local.parts.openbao import OpenBao
from local.vault import grant, write_secret
from stoa.adapters.vault import Vault
from stoa.gitops.flows import GitOps
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused
from stoa.kernel.settings import Secret
from tests.gitops.desk import Server

FOLDER = "tenants/tenant-demo/apis/orders"
API, DEV, SPEC = f"{FOLDER}/api.yaml", f"{FOLDER}/environments/dev.yaml", f"{FOLDER}/openapi.yaml"
SECRET = "apim/tenant-demo/dev/orders"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("refusals"))
    yield made
    made.stop()


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
        gitlab=lambda: server.client,
        vault=lambda: vault,
    )
    with pytest.raises(Refused) as caught:
        gitops.prepare(project, commit, "tenant-demo/orders", "dev", "deploy")
    error = caught.value
    assert (error.code, error.file, error.line) == (code, file, line)
    assert said in error.detail
    assert error.hint
