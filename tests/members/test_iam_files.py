"""iam files: one form, and for everything else a refusal with its place."""

import pytest

from stoa.kernel.errors import Refused
from stoa.repository import iam
from tests.members.kit import FILE, HEAD

TENANTS = frozenset({"tenant-a", "tenant-b"})
WHOLE = b"""\
apiVersion: stoa.cab-i.com/v1
kind: TenantRegistry
tenants:
  - id: tenant-a
    displayName: Finance
    description: Those who pay
    status: active
    createdAt: 2026-01-05
    owner: {email: Ann@stoa.example, name: Ann}
    environments: [dev, staging]
    members:
      cpi:
        - {email: Ann@stoa.example, name: Ann, addedAt: 2026-01-05, addedBy: bob@stoa.example}
      devops:
        - {email: ben@stoa.example}
      viewers: []
"""


def found(data: bytes, path: str = FILE) -> iam.Iam:
    return iam.rosters({path: data}.__getitem__, [path, "README.md"], TENANTS)


def entry(text: str) -> bytes:
    return f"{HEAD}tenants:\n  - {text}\n".encode()


def test_the_whole_form_is_read() -> None:
    read = found(WHOLE)
    assert (list(read.rosters), read.faults, read.elsewhere) == (["tenant-a"], {}, ())
    assert read.rosters["tenant-a"].people == {"ann@stoa.example": "tenant-admin", "ben@stoa.example": "devops"}


@pytest.mark.parametrize(
    ("text", "code", "field", "line"),
    [
        ("{id: tenant-a, members: {cpi: [{email: a@b.c}], admins: []}}", "FILE_INVALID", "tenants.0.members.admins", 4),
        ("{id: tenant-a, members: {cpi-admin: []}}", "FILE_INVALID", "tenants.0.members.cpi-admin", 4),
        ("{id: tenant-a, members: {cpi: [{email: a@b.c, role: cpi-admin}]}}", "FILE_INVALID",
         "tenants.0.members.cpi.0.role", 4),
        ("{id: tenant-a, quotas: {maxApis: 1}, members: {}}", "FILE_INVALID", "tenants.0.quotas", 4),
        ("{id: tenant-a, status: suspended, members: {}}", "FILE_INVALID", "tenants.0.status", 4),
        ("{id: tenant-a}", "FILE_INVALID", "tenants.0.members", 4),
        ("{id: tenant-a, members: {cpi: [{email: nobody}]}}", "FILE_INVALID", "tenants.0.members.cpi.0.email", 4),
        ("{id: tenant-a, members: {cpi: [a@b.c]}}", "FILE_INVALID", "tenants.0.members.cpi.0", 4),
        ("{id: tenant-a, members: {cpi: null}}", "FILE_INVALID", "tenants.0.members.cpi", 4),
        ("{id: tenant-a, members: {devops: [{email: a@b.c}]}}", "IAM_NO_ADMIN", "tenants.0.members.cpi", 4),
        ("{id: tenant-a, members: {}}", "IAM_NO_ADMIN", "tenants.0.members.cpi", 4),
        ("{id: tenant-a, members: {cpi: [{email: a@b.c}], viewers: [{email: A@B.C}]}}", "IAM_PERSON_TWICE",
         "tenants.0.members.viewers.0.email", 4),
    ],
)  # fmt: skip
def test_what_is_not_of_the_form_is_refused_with_its_place(text: str, code: str, field: str, line: int) -> None:
    read = found(entry(text))
    error = read.faults["tenant-a"]
    assert (error.code, error.file, error.field, error.line) == (code, FILE, field, line)
    assert read.rosters == {}


@pytest.mark.parametrize("data", [b"", b"[]", b"tenants: []", HEAD.encode() + b"tenants: []", b"\xff", b"a: *b"])
def test_a_file_that_says_nothing_is_a_fault_of_every_tenant_that_no_other_names(data: bytes) -> None:
    read = found(data)
    assert read.faults.keys() == TENANTS
    both = {"iam/a.yaml": WHOLE, "iam/b.yaml": data}
    assert iam.rosters(both.__getitem__, both, TENANTS).faults.keys() == {"tenant-b"}


def test_a_file_that_is_too_large_is_no_reason_to_deploy_nothing() -> None:
    def too_large(path: str) -> bytes:
        raise Refused("FILE_TOO_LARGE", "larger", file=path)

    assert iam.rosters(too_large, [FILE], TENANTS).faults["tenant-a"].code == "FILE_TOO_LARGE"


def test_another_projects_tenant_is_refused_and_the_own_one_taken() -> None:
    read = found(WHOLE + b"  - {id: tenant-else, members: {cpi: [{email: a@b.c}]}}\n")
    assert read.rosters.keys() == {"tenant-a"}
    (error,) = read.elsewhere
    assert (error.code, error.field, error.line) == ("TENANT_NOT_REGISTERED", "tenants.1.id", 17)


def test_a_tenant_stands_in_one_place_only() -> None:
    twice = found(WHOLE + b"  - {id: tenant-a, members: {cpi: [{email: eve@b.c}]}}\n")
    assert (twice.faults["tenant-a"].code, twice.rosters) == ("IAM_TENANT_TWICE", {})
    both = {"iam/a.yaml": WHOLE, "iam/b.yaml": WHOLE}
    assert iam.rosters(both.__getitem__, both, TENANTS).faults["tenant-a"].file == "iam/b.yaml"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("iam/global-admins.yaml", "IAM_FILE_NOT_TAKEN"), ("iam/service-accounts.yaml", "IAM_FILE_NOT_TAKEN"),
        ("iam/tenants.yml", "NAME_INVALID"), ("iam/sub/tenants.yaml", "NAME_INVALID"),
        ("iam/Tenants.yaml", "NAME_INVALID"),
    ],
)  # fmt: skip
def test_no_other_file_makes_anybody_anything(path: str, code: str) -> None:
    read = found(WHOLE, path)
    assert ([error.code for error in read.elsewhere], read.rosters, read.faults) == ([code], {}, {})
