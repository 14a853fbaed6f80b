"""Archives of APIs that are routed through aliases: what travels with them, and what that does to the target."""

import json
from typing import Any
from xml.etree import ElementTree

ALL = "apis,policies,policyactions"


def records(files: dict[str, bytes], folder: str) -> dict[str, Any]:
    return {name: json.loads(data) for name, data in files.items() if name.startswith(f"{folder}/")}


def items(response: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for entry in response.json()["ArchiveResult"]:
        for kind, item in entry.items():
            found.setdefault(kind, []).append(item)
    return found


def aliased(kit: Any, encoded: Any, parameter: Any) -> tuple[Any, Any, Any]:
    """An API routed by an endpoint alias and with outbound credentials."""
    endpoint = kit.alias("endpoint", endPointURI=kit.backend)
    credentials = {"userName": "svc", "password": encoded("emitter")}
    secret = kit.alias(
        "httpTransportSecurityAlias", authType="HTTP_BASIC", authMode="NEW", httpAuthCredentials=credentials
    )
    record = kit.api()
    kit.route(record, f"${{{endpoint['name']}}}/${{sys:resource_path}}")
    inner = [parameter("authType", "ALIAS"), parameter("alias", secret["name"])]
    group = {"templateKey": "transportSecurity", "parameters": inner}
    kit.enforce(record, "routing", "outboundTransportAuthentication", group)
    kit.admin.put(f"/apis/{record['id']}/activate")
    return record, endpoint, secret


def test_the_archive_of_an_alias_routed_api_carries_values_and_secrets(
    kit: Any, encoded: Any, parameter: Any, fresh: Any
) -> None:
    record, endpoint, secret = aliased(kit, encoded, parameter)

    files = kit.export(record["id"])

    assert {one["id"] for one in records(files, "Alias").values()} == {endpoint["id"], secret["id"]}
    assert f"PassmanData/PassmanData.{secret['id']}/PassmanData.{secret['id']}.json" in files
    assert not any(b"emitter" in data or encoded("emitter").encode() in data for data in files.values())
    fresh.load(files)
    assert fresh.call(record).json()["headers"]["authorization"] == "Basic " + encoded("svc:emitter")


def test_secrets_in_an_archive_overwrite_the_ones_of_the_target(kit: Any, encoded: Any, parameter: Any) -> None:
    record, _, secret = aliased(kit, encoded, parameter)
    files = kit.export(record["id"])
    credentials = {"userName": "svc", "password": encoded("target")}
    kit.admin.put(f"/alias/{secret['id']}", json={**secret, "httpAuthCredentials": credentials})
    assert kit.call(record).json()["headers"]["authorization"] == "Basic " + encoded("svc:target")

    kit.load(files, ALL)

    assert kit.call(record).json()["headers"]["authorization"] == "Basic " + encoded("svc:emitter")


def test_stripped_of_aliases_and_secrets_an_archive_leaves_those_of_the_target_alone(
    kit: Any, encoded: Any, parameter: Any
) -> None:
    record, endpoint, _ = aliased(kit, encoded, parameter)
    files = kit.export(record["id"])
    stripped = {name: data for name, data in files.items() if not name.startswith(("Alias/", "PassmanData/"))}

    half = items(kit.load(stripped, ALL))
    assert half["API"][0]["dependencyFailed"] is True

    manifest = stripped["APIGatewayAssets.acdl"].decode()
    for kind in ("Alias", "PassmanData"):
        manifest = drop_elements(manifest, kind)
    whole = kit.load({**stripped, "APIGatewayAssets.acdl": manifest.encode()}, ALL)
    assert {item["status"] for found in items(whole).values() for item in found} == {"Success"}
    assert kit.call(record).status_code == 200
    assert kit.admin.get(f"/alias/{endpoint['id']}").status_code == 200


def drop_elements(manifest: str, kind: str) -> str:
    root = ElementTree.fromstring(manifest)  # noqa: S314 - our own archive
    for parent in list(root.iter()):
        for child in [one for one in parent if one.get("type") == kind]:
            parent.remove(child)
    return ElementTree.tostring(root, encoding="unicode")


def test_an_alias_is_overwritten_only_by_its_own_word(kit: Any) -> None:
    alias = kit.alias("endpoint", endPointURI=kit.backend)
    record = kit.api()
    kit.route(record, f"${{{alias['name']}}}/${{sys:resource_path}}")
    files = kit.export(record["id"])
    kit.admin.put(f"/alias/{alias['id']}", json={**alias, "endPointURI": "http://target.test"})

    def value_after(words: str) -> str:
        kit.load(files, words)
        return str(kit.admin.get(f"/alias/{alias['id']}").json()["alias"]["endPointURI"])

    assert value_after(ALL) == "http://target.test"
    assert value_after("*") == "http://target.test"
    assert value_after("*,aliases") == kit.backend
    kit.admin.put(f"/alias/{alias['id']}", json={**alias, "endPointURI": "http://target.test"})
    with kit.variant(overwrite_star_aliases=True):
        assert value_after("*") == kit.backend
