"""The files that Keycloak imports: no secret is in them, and this machine has a value for all that they leave open."""

import json
from collections.abc import Iterator
from typing import Any

from local import identity
from local.emulators.keycloak.placeholders import names


def test_every_placeholder_has_its_value_and_every_value_its_placeholder() -> None:
    asked = {
        name
        for file in (identity.REALM, identity.USERS)
        for name, default in names(file.read_text())
        if default is None
    }
    given = identity.environment(lambda part: f"http://{part}", lambda name: f"the {name}")
    assert asked == given.keys()
    assert given["STOA_OPERATOR_CLIENT_SECRET"] == "the stoa_operator_client_secret"


def test_no_secret_is_in_a_file() -> None:
    found = [one for file in (identity.REALM, identity.USERS) for one in secrets_in(json.loads(file.read_text()))]
    assert len(found) == 7 + 8
    assert [one for one in found if not (one.startswith("${") and one.endswith("}"))] == []


def test_production_imports_no_demo_user_and_there_is_one_for_each_role() -> None:
    realm, demo = (json.loads(file.read_text()) for file in (identity.REALM, identity.USERS))
    assert all("serviceAccountClientId" in user for user in realm["users"])
    roles = {role["name"] for role in realm["roles"]["realm"]} - {"service", "default-roles-stoa"}
    assert {role for user in demo["users"] for role in user["realmRoles"]} == roles
    assert identity.demo_users()[1] == "bob (tenant-admin, tenant-demo)"


def secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from secrets_in(one)
    elif isinstance(value, dict):
        if "secret" in value:
            yield value["secret"]
        if value.get("type") == "password":
            yield value["value"]
        for one in value.values():
            yield from secrets_in(one)
