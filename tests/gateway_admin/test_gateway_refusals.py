"""What the proxy refuses, and what a gateway's refusals and troubles mean in our words."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods import admin_contract
from stoa.adapters.webmethods.admin_proxy import Gateways
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret
from tests.gateway_admin.exposed import DOCUMENT, PASSWORD, USER


def test_an_archive_leaves_without_aliases_and_is_taken_back_while_active(desk: Any) -> None:
    asked, api = desk.asked(), desk.gateway.api(active=True)
    exported = desk.flows.export_archive(asked, api["id"])
    taken = desk.flows.import_archive(asked, exported, overwrite=True)
    assert {item["status"] for item in taken["items"]} == {"Success"}
    with pytest.raises(Refused, match="already exists") as refused:
        desk.flows.import_archive(asked, exported, overwrite=False)
    assert (refused.value.code, refused.value.status) == ("ARCHIVE_REFUSED", 409)
    with pytest.raises(Refused, match="ARCHIVE_INACTIVE"):
        desk.flows.export_archive(asked, desk.gateway.api()["id"])
    names = zipfile.ZipFile(io.BytesIO(exported)).namelist()
    assert {name.split("/")[0] for name in names} <= {"API", "Policy", "PolicyAction", "APIGatewayAssets.acdl"}


def simple(desk: Any) -> dict[str, Any]:
    return {"name": desk.gateway.name(), "type": "simple", "value": "1"}


def changed(archive: bytes, change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in more.items():
            new.writestr(name.replace("__", "/"), data)
    return made.getvalue()


def test_an_archive_that_would_do_more_is_refused_before_the_gateway_sees_it(desk: Any) -> None:
    asked, api = desk.asked(), desk.gateway.api(active=True)
    fine = desk.flows.export_archive(asked, api["id"])
    own = next(one["api"] for one in desk.gateway.admin.get("/apis").json()["apiResponse"] if own_api(one["api"]))
    protecting = desk.gateway.admin.get(f"/apis/{own['id']}").json()["apiResponse"]["api"]["policies"][0]
    before = desk.gateway.journal()

    def replaced(one: str, other: str) -> bytes:
        return changed(fine, lambda name, data: data.replace(one.encode(), other.encode()))

    for archive, code in (
        (b"no zip", "ARCHIVE_UNREADABLE"),
        (replaced('"isActive": true', '"isActive": false'), "ARCHIVE_INACTIVE"),
        (replaced(api["apiName"], admin_contract.NAME), "PROTECTED"),
        (replaced(api["policies"][0], protecting), "ARCHIVE_HOLDS_MORE"),
        (changed(fine, lambda _, data: data, Policy__a=b'{"id":"a","policyEnforcements":[]}'), "ARCHIVE_HOLDS_MORE"),
        (changed(fine, lambda _, data: data, PolicyAction__a=b'{"id":"a"}'), "ARCHIVE_HOLDS_MORE"),
        (changed(fine, lambda _, data: data, Application__a=b'{"id":"a"}'), "ARCHIVE_HOLDS_MORE"),
        (changed(fine, lambda _, data: data, API__a=b"[]"), "ARCHIVE_UNREADABLE"),
        (replaced("<assetComposite", '<!DOCTYPE a [<!ENTITY b "c">]><assetComposite'), "ARCHIVE_UNREADABLE"),
    ):
        with pytest.raises(Refused) as refused:
            desk.flows.import_archive(asked, archive, overwrite=True)
        assert refused.value.code == code
    assert desk.gateway.journal() == before


def own_api(api: dict[str, Any]) -> bool:
    return bool(api["apiName"] == admin_contract.NAME)


def test_nobody_changes_what_protects_the_admin_api(desk: Any) -> None:
    asked, name = desk.asked(), admin_contract.NAME
    own = next(one["api"]["id"] for one in desk.gateway.admin.get("/apis").json()["apiResponse"] if own_api(one["api"]))
    aliases = {one["name"]: one["id"] for one in desk.gateway.admin.get("/alias").json()["alias"]}
    applications = desk.gateway.admin.get("/applications").json()["applications"]
    callers = next(one["id"] for one in applications if one["name"] == f"{name}.callers")
    other = desk.gateway.application()
    before = desk.gateway.journal()
    for act in (
        lambda: desk.flows.set_active(asked, own, active=False),
        lambda: desk.flows.delete_api(asked, own),
        lambda: desk.flows.add_version(asked, own, "2.0.0"),
        lambda: desk.flows.configure_oidc(asked, own, f"{name}.issuer", "openid"),
        lambda: desk.flows.export_archive(asked, own),
        lambda: desk.flows.import_api(asked, name, "2.0.0", "openapi", DOCUMENT),
        lambda: desk.flows.put_alias(asked, simple(desk), aliases[f"{name}.outbound"]),
        lambda: desk.flows.put_alias(asked, {**simple(desk), "name": f"{name}.other"}),
        lambda: desk.flows.subscribe(asked, callers, [], replace=True),
        lambda: desk.flows.subscribe(asked, other, [own], replace=False),
    ):
        with pytest.raises(Refused, match="PROTECTED"):
            act()
    assert desk.gateway.journal() == before
    assert desk.told().count(("GATEWAY_API_DELETED", "refused")) == 1


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        ({"scope": "openid"}, 403, "FORBIDDEN"),
        ({"aud": "account"}, 401, "INVALID_TOKEN"),
        ({"exp": 1}, 401, "INVALID_TOKEN"),
        ({"token": ""}, 403, "TOKEN_NEEDED"),
    ],
)
def test_the_gateway_checks_the_token_that_is_forwarded(desk: Any, claims: Any, status: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        desk.flows.read(desk.asked(**claims), "listApis")
    assert (refused.value.code, refused.value.status) == (code, status)
    assert desk.told() == [("GATEWAY_APIS_READ", "refused")]


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "down", "path": "/gateway/"},
        {"mode": "fail", "status": 503, "path": "/rest/apigateway/apis$"},
        {"mode": "fail", "status": 429, "path": "/gateway/"},
        {"mode": "fail", "status": 302, "path": "/gateway/"},
        {"mode": "drop", "path": "/gateway/"},
    ],
)
def test_a_gateway_in_trouble_is_asked_again_later(desk: Any, fault: dict[str, Any]) -> None:
    with desk.gateway.faults(**fault), pytest.raises(Transient):
        desk.flows.import_api(desk.asked(), desk.gateway.name(), "1.0.0", "openapi", DOCUMENT)
    asked, ended = desk.audit()
    assert (asked["action"], ended["outcome"]) == ("GATEWAY_CHANGE_ASKED", "refused")
    assert ended["after"] == {"code": "UNAVAILABLE", "effect": "unknown"}


def test_nothing_of_prod_is_deleted_and_no_environment_is_guessed(desk: Any) -> None:
    api = desk.gateway.api()
    with pytest.raises(Refused, match="CHANGE_NOT_APPROVED"):
        desk.flows.delete_api(desk.asked("prod"), api["id"])
    with pytest.raises(NotFound, match="staging"):
        desk.flows.read(desk.asked("staging"), "listApis")
    assert [one["resource"] for one in desk.audit()][-1] == "gateway/staging/apis"


def test_the_account_in_vault_is_used_only_where_that_is_declared(desk: Any) -> None:
    asked = desk.asked(token="")
    with pytest.raises(Refused, match="TOKEN_NEEDED"):
        desk.flows.read(asked, "listApis")
    declared = desk.reaching(direct="dev")
    assert declared.of("dev", asked.token).json("listApis")["apiResponse"]
    with pytest.raises(Refused, match="TOKEN_NEEDED"):
        declared.of("prod", asked.token)
    with pytest.raises(ValueError, match="there is no environment test"):
        desk.reaching(direct="dev test")
    wrong = desk.reaching(direct="dev", **{"vault:secret/gateways/dev#password": "old"})
    with pytest.raises(Transient, match="its own credential") as away:
        wrong.of("dev", asked.token).json("listApis")
    assert away.value.alarm is True


@pytest.mark.parametrize("object_id", ["", "..", "a/b", "a%2Fb", "a?b=c", "a;b", "a\n", "é"])
def test_an_id_is_one_segment_or_nothing_is_asked(object_id: str) -> None:
    with pytest.raises(ValueError, match="does not take this id"):
        admin_contract.operations()["readApi"].path_of(object_id)


def test_an_account_that_was_changed_in_vault_is_read_anew_and_asked_with_once_more(desk: Any) -> None:
    held, reads = {"username": USER, "password": "old"}, []

    def read(reference: str, *, anew: bool = False) -> SecretValue:
        reads.append(anew)
        return SecretValue(Secret(held[reference.split("#")[1]]), 1)

    gateways = Gateways({"dev": desk.gateway.url}, frozenset({"dev"}), read)
    with pytest.raises(Transient, match="own credential") as error:
        gateways.of("dev", Secret("")).json("listApis")
    assert (error.value.alarm, reads) == (True, [False, False, True, True])
    proxy = gateways.of("dev", Secret(""))
    held["password"] = PASSWORD
    assert "apiResponse" in proxy.json("listApis")
