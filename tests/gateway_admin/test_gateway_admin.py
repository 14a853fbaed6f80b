"""The admin API of a gateway through its published form: what it refuses in our words, and what is written down."""

import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from stoa.adapters.vault import SecretValue
from stoa.adapters.webmethods import admin_contract
from stoa.adapters.webmethods.admin_proxy import Gateways
from stoa.gateway_admin.flows import GatewayAdmin
from stoa.gateway_admin.model import ACTS, COMPOSED, Asked, shown
from stoa.kernel.database import Database
from stoa.kernel.errors import NotFound, Refused, Transient
from stoa.kernel.settings import Secret
from tests.gateway_admin.exposed import DOCUMENT, PASSWORD, USER, Exposed, exposed

SECRET = "s3cret-of-the-backend"
MEANS = {"readSubscriptions", "addScope", "replaceScope"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed(tmp_path_factory.mktemp("gateway")) as made:
        yield made


@dataclass
class Desk:
    """`audit` reads what `flows` wrote down after the row `seen` of the outbox."""

    gateway: Exposed
    flows: GatewayAdmin
    database: Database
    seen: int

    def asked(self, environment: Any = "dev", token: str | None = None, **claims: Any) -> Asked:
        given = self.gateway.token(**claims) if token is None else token
        return Asked(environment, "sub-1", "trc-" + "1" * 32, "192.0.2.1", Secret(given))

    def audit(self) -> list[dict[str, Any]]:
        with self.database.transaction() as connection:
            rows = connection.execute("SELECT value FROM outbox WHERE seq > %s ORDER BY seq", (self.seen,))
            return [json.loads(bytes(row["value"])) for row in rows]

    def told(self) -> list[tuple[str, str]]:
        return [(one["action"], one["outcome"]) for one in self.audit()]


@pytest.fixture(scope="module")
def outbox(module_database: Callable[[], str]) -> Iterator[Database]:
    made = Database(Secret(module_database()), "stoa_worker")
    yield made
    made.close()


@pytest.fixture
def desk(gateway: Exposed, outbox: Database) -> Desk:
    with outbox.transaction() as connection:
        row = connection.execute("SELECT coalesce(max(seq), 0) AS seen FROM outbox").fetchone()
    assert row is not None
    return Desk(gateway, GatewayAdmin(outbox, lambda _keys: None, reaching(gateway).of), outbox, row["seen"])


def reaching(gateway: Exposed, url: str = "", direct: str = "", **values: str) -> Gateways:
    held = {"vault:secret/gateways/dev#username": USER, "vault:secret/gateways/dev#password": PASSWORD, **values}

    def read(reference: str) -> SecretValue:
        return SecretValue(Secret(held[reference]), 1)

    urls = {"dev": url or gateway.url, "staging": "", "prod": gateway.url}
    return Gateways(urls, frozenset(direct.split()), read)


def test_what_may_be_asked_is_exactly_what_the_gateway_publishes() -> None:
    assert set(admin_contract.operations()) == (set(ACTS) - set(COMPOSED)) | MEANS


def test_an_api_goes_through_its_life_and_each_step_is_written_down(desk: Desk) -> None:
    asked, name = desk.asked(), desk.gateway.name()
    made = desk.flows.import_api(asked, name, "1.0.0", "openapi", DOCUMENT)
    assert made == {"id": made["id"], "name": name, "version": "1.0.0", "active": False}
    assert desk.flows.set_active(asked, made["id"], active=True)["active"] is True
    assert desk.flows.set_active(asked, made["id"], active=True)["active"] is True
    second = desk.flows.add_version(asked, made["id"], "2.0.0")
    application = desk.gateway.application()
    assert desk.flows.subscribe(asked, application, [made["id"]], replace=False) == {"apiIDs": [made["id"]]}
    both = desk.flows.subscribe(asked, application, [second["id"]], replace=False)
    assert both == {"apiIDs": [made["id"], second["id"]]}
    with pytest.raises(Refused, match="associated with applications") as refused:
        desk.flows.delete_api(asked, second["id"])
    assert (refused.value.code, refused.value.status) == ("GATEWAY_CONFLICT", 409)
    desk.flows.subscribe(asked, application, [made["id"]], replace=True)
    desk.flows.delete_api(asked, second["id"])
    with pytest.raises(NotFound):
        desk.flows.read(asked, "readApi", second["id"])

    said = desk.audit()
    assert [(one["action"], one["outcome"]) for one in said if one["action"] != "GATEWAY_CHANGE_ASKED"] == [
        ("GATEWAY_API_IMPORTED", "done"),
        ("GATEWAY_API_ACTIVATED", "done"),
        ("GATEWAY_API_ACTIVATED", "done"),
        ("GATEWAY_VERSION_ADDED", "done"),
        ("GATEWAY_SUBSCRIPTIONS_ADDED", "done"),
        ("GATEWAY_SUBSCRIPTIONS_ADDED", "done"),
        ("GATEWAY_API_DELETED", "refused"),
        ("GATEWAY_SUBSCRIPTIONS_REPLACED", "done"),
        ("GATEWAY_API_DELETED", "done"),
        ("GATEWAY_API_READ", "refused"),
    ]
    assert {(one["actor"], one["ip"], one["tenant"], one["trace_id"]) for one in said} == {
        ("sub-1", "192.0.2.1", "_platform", "trc-" + "1" * 32)
    }
    activated = next(one for one in said if one["action"] == "GATEWAY_API_ACTIVATED")
    assert (activated["before"]["active"], activated["after"]["active"]) == (False, True)
    assert activated["resource"] == f"gateway/dev/apis/{made['id']}/activate"


def test_a_change_is_written_down_before_the_gateway_is_asked(desk: Desk, monkeypatch: Any) -> None:
    """The process may die with the gateway's answer in its hands."""
    api = desk.gateway.api()

    def dies(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("stoa.gateway_admin.flows._same", dies)
    with pytest.raises(SystemExit):
        desk.flows.set_active(desk.asked(), api["id"], active=True)
    (said,) = desk.audit()
    assert (said["action"], said["after"]) == ("GATEWAY_CHANGE_ASKED", {"action": "GATEWAY_API_ACTIVATED"})
    assert desk.gateway.admin.get(f"/apis/{api['id']}").json()["apiResponse"]["api"]["isActive"] is True


def alias(desk: Desk, **change: Any) -> dict[str, Any]:
    password = base64.b64encode(SECRET.encode()).decode()
    credentials = {"userName": "shop", "password": password, "domain": ""}
    made = {"name": desk.gateway.name(), "type": "httpTransportSecurityAlias", "authType": "HTTP_BASIC"}
    return {**made, "authMode": "NEW", "httpAuthCredentials": credentials, **change}


def test_a_password_is_nowhere_but_on_the_gateway(desk: Desk) -> None:
    sent, asked = alias(desk), desk.asked()
    made = desk.flows.put_alias(asked, sent)
    assert desk.flows.put_alias(asked, {**sent, "authMode": "NEW"}, made["id"])["id"] == made["id"]
    with pytest.raises(Refused, match="already exists") as refused:
        desk.flows.put_alias(asked, sent)
    with pytest.raises(Refused, match="base64"):
        desk.flows.put_alias(asked, alias(desk, httpAuthCredentials={"userName": "a", "password": "not base64!"}))
    answers = [made, desk.flows.read(asked, "readAlias", made["id"]), desk.flows.read(asked, "listAliases")]
    everything = json.dumps([*answers, desk.audit(), refused.value.problem()])
    assert sent["httpAuthCredentials"]["password"] not in everything
    assert SECRET not in everything
    assert made["httpAuthCredentials"]["password"] == "***"
    replaced = next(one for one in desk.audit() if one["action"] == "GATEWAY_ALIAS_REPLACED")
    assert replaced["after"] == {"name": sent["name"], "type": sent["type"], "changed": ["httpAuthCredentials"]}


def test_keys_of_applications_are_not_shown(desk: Desk) -> None:
    application = desk.gateway.application()
    found = desk.flows.read(desk.asked(), "listApplications")["applications"]
    tokens = next(one for one in found if one["id"] == application)["accessTokens"]
    assert tokens["apiAccessKey_credentials"]["apiAccessKey"] == "***"
    said = {"clientSecret": "x", "a": [{"refreshToken": "x", "accessTokens": {"n": 1}}], "password": ""}
    assert shown(said) == {
        "clientSecret": "***",
        "a": [{"refreshToken": "***", "accessTokens": {"n": 1}}],
        "password": "",
    }


def test_an_api_is_made_to_ask_for_a_scope_once(desk: Desk) -> None:
    api, asked = desk.gateway.api(), desk.asked()
    server = f"{admin_contract.NAME}.issuer"
    made = desk.flows.configure_oidc(asked, api["id"], server, "orders:read")
    before = desk.gateway.journal()
    assert desk.flows.configure_oidc(asked, api["id"], server, "orders:read") == made
    assert desk.gateway.journal() == before
    other = desk.flows.configure_oidc(asked, api["id"], server, "orders:write")
    assert (other["id"], other["requiredAuthScopes"][0]["scopeName"]) == (made["id"], "orders:write")
    with pytest.raises(Refused, match="authorization server alias does not exist") as refused:
        desk.flows.configure_oidc(asked, api["id"], "nobody", "orders:write")
    assert (refused.value.code, refused.value.status) == ("GATEWAY_REFUSED", 422)


def test_an_archive_leaves_without_aliases_and_is_taken_back_while_active(desk: Desk) -> None:
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


def changed(archive: bytes, change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in more.items():
            new.writestr(name.replace("__", "/"), data)
    return made.getvalue()


def test_an_archive_that_would_do_more_is_refused_before_the_gateway_sees_it(desk: Desk) -> None:
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


def test_nobody_changes_what_protects_the_admin_api(desk: Desk) -> None:
    asked, name = desk.asked(), admin_contract.NAME
    own = next(one["api"]["id"] for one in desk.gateway.admin.get("/apis").json()["apiResponse"] if own_api(one["api"]))
    aliases = {one["name"]: one["id"] for one in desk.gateway.admin.get("/alias").json()["alias"]}
    before = desk.gateway.journal()
    for act in (
        lambda: desk.flows.set_active(asked, own, active=False),
        lambda: desk.flows.delete_api(asked, own),
        lambda: desk.flows.add_version(asked, own, "2.0.0"),
        lambda: desk.flows.configure_oidc(asked, own, f"{name}.issuer", "openid"),
        lambda: desk.flows.export_archive(asked, own),
        lambda: desk.flows.import_api(asked, name, "2.0.0", "openapi", DOCUMENT),
        lambda: desk.flows.put_alias(asked, alias(desk), aliases[f"{name}.outbound"]),
        lambda: desk.flows.put_alias(asked, alias(desk, name=f"{name}.other")),
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
def test_the_gateway_checks_the_token_that_is_forwarded(desk: Desk, claims: Any, status: int, code: str) -> None:
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
def test_a_gateway_in_trouble_is_asked_again_later(desk: Desk, fault: dict[str, Any]) -> None:
    with desk.gateway.faults(**fault), pytest.raises(Transient):
        desk.flows.import_api(desk.asked(), desk.gateway.name(), "1.0.0", "openapi", DOCUMENT)
    asked, ended = desk.audit()
    assert (asked["action"], ended["outcome"]) == ("GATEWAY_CHANGE_ASKED", "refused")
    assert ended["after"] == {"code": "UNAVAILABLE", "effect": "unknown"}


def test_who_comes_second_reaches_the_state_as_well(desk: Desk) -> None:
    """The gateway answers 500 for the state that is there already."""
    api = desk.gateway.api()
    with desk.gateway.timing(activation_ms=400), ThreadPoolExecutor(1) as pool:
        first = pool.submit(desk.gateway.admin.put, f"/apis/{api['id']}/activate")
        assert desk.flows.set_active(desk.asked(), api["id"], active=True)["active"] is True
        assert first.result().status_code == 200
    assert desk.audit()[-1]["before"]["active"] is False


def test_nothing_of_prod_is_deleted_and_no_environment_is_guessed(desk: Desk) -> None:
    api = desk.gateway.api()
    with pytest.raises(Refused, match="CHANGE_NOT_APPROVED"):
        desk.flows.delete_api(desk.asked("prod"), api["id"])
    with pytest.raises(NotFound, match="staging"):
        desk.flows.read(desk.asked("staging"), "listApis")
    assert [one["resource"] for one in desk.audit()][-1] == "gateway/staging/apis"


def test_the_account_in_vault_is_used_only_where_that_is_declared(desk: Desk) -> None:
    asked = desk.asked(token="")
    with pytest.raises(Refused, match="TOKEN_NEEDED"):
        desk.flows.read(asked, "listApis")
    declared = reaching(desk.gateway, direct="dev")
    assert declared.of("dev", asked.token).json("listApis")["apiResponse"]
    with pytest.raises(Refused, match="TOKEN_NEEDED"):
        declared.of("prod", asked.token)
    with pytest.raises(ValueError, match="there is no environment test"):
        reaching(desk.gateway, direct="dev test")
    wrong = reaching(desk.gateway, direct="dev", **{"vault:secret/gateways/dev#password": "old"})
    with pytest.raises(Transient, match="its own credential") as away:
        wrong.of("dev", asked.token).json("listApis")
    assert away.value.alarm is True


@pytest.mark.parametrize("object_id", ["", "..", "a/b", "a%2Fb", "a?b=c", "a;b", "a\n", "é"])
def test_an_id_is_one_segment_or_nothing_is_asked(object_id: str) -> None:
    with pytest.raises(ValueError, match="does not take this id"):
        admin_contract.operations()["readApi"].path_of(object_id)
