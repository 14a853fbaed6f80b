"""A gateway's own admin API, published on it by the real playbook: behind tokens, once, and read back."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from joserfc import jwk, jwt

from stoa.adapters.vault import read_secret
from stoa.adapters.webmethods import admin_contract, exposure, generation, publication, routing
from stoa.adapters.webmethods.gateway import Gateway
from stoa.adapters.webmethods.wanted import check
from stoa.kernel.errors import Refused
from stoa.kernel.settings import Secret

ISSUER = "https://sso.example.com/realms/stoa"
KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
REFERENCES = {
    "username_ref": "vault:secret/gateways/orders#username",
    "password_ref": "vault:secret/gateways/orders#password",
}


def token(**claims: Any) -> str:
    said = {"iss": ISSUER, "aud": "control-plane-api", "scope": "deploy:dev", "exp": int(time.time()) + 60, **claims}
    return jwt.encode({"alg": "RS256", "kid": "one"}, said, KEY)


@pytest.fixture
def asked(lab: Any) -> Iterator[dict[str, Any]]:
    """Vault has the gateway's own account for as long."""
    before = lab.artefacts.secrets
    lab.artefacts.secrets = {"username": "admin", "password": "gateway-pass"}
    lab.artefacts.keys = {"keys": [KEY.as_dict(private=False)]}
    yield {
        "schema_version": 1,
        "action": "expose-admin-api",
        "environment": "dev",
        "issuer": ISSUER,
        "audience": "control-plane-api",
        "jwks_url": f"{lab.artefacts.url}/certs",
        "admin_url": lab.gateway,
        **REFERENCES,
    }
    lab.artefacts.secrets = before


def call(lab: Any, path: str, method: str = "GET", bearer: str = "") -> requests.Response:
    url = f"{lab.gateway}/gateway/{admin_contract.NAME}/{admin_contract.version()}{path}"
    headers = {"Accept": "application/json", "Authorization": f"Bearer {bearer}"}
    return requests.request(method, url, headers=headers, timeout=10)


def test_it_is_published_once_behind_tokens_and_nothing_else_of_the_admin_api(lab: Any, asked: dict[str, Any]) -> None:
    dry = lab.play(asked, "--check")
    assert (dry.code, lab.admin.api(admin_contract.NAME)) == (0, None), dry.output

    run = lab.play(asked, "-vvv")
    assert run.code == 0, run.output
    assert "gateway-pass" not in run.output + json.dumps(asked)
    assert call(lab, "/apis", bearer=token()).status_code == 200
    refused = {"": 401, token(aud="other"): 401, token(scope="deploy:prod"): 403}
    assert {bearer: call(lab, "/apis", bearer=bearer).status_code for bearer in refused} == refused
    for method, path, status in (("GET", "/policies", 404), ("POST", "/strategies", 404), ("DELETE", "/alias/a", 405)):
        assert call(lab, path, method, token()).status_code == status

    again = lab.play(asked)
    assert (again.code, "changed=0" in again.output) == (0, True), again.output


class Steps:
    """The steps of the role, without Ansible."""

    def __init__(self, lab: Any, asked: dict[str, Any]) -> None:
        self.gateway = Gateway(
            lab.gateway, lab.environment["GATEWAY_USER"], Secret(lab.environment["GATEWAY_PASSWORD"])
        )
        check(asked, exposure.SCHEMA)
        self.wanted = exposure.exposure(asked)
        self.lab = lab

    def run(self) -> list[bool]:
        """Which step changed something."""
        gateway, wanted = self.gateway, self.wanted
        vault, token = self.lab.artefacts.url, Secret(self.lab.environment["VAULT_TOKEN"])
        secrets = {reference: read_secret(vault, token, reference) for reference in REFERENCES.values()}
        held = generation.held(gateway, wanted)
        changed = [
            exposure.ensure_aliases(gateway, wanted, secrets, dry=False),
            publication.ensure_document(gateway, wanted, admin_contract.document(), held, dry=False),
            publication.ensure_policies(gateway, wanted, dry=False),
            exposure.ensure_callers(gateway, wanted, dry=False),
            publication.ensure_active(gateway, wanted, dry=False),
        ]
        exposure.read_back(gateway, wanted)
        changed.append(exposure.drop_other_versions(gateway, wanted, dry=False))
        documents = {wanted.version: wanted.openapi_sha256}
        generation.seal(gateway, wanted, "applied", documents, routing.versions(secrets), dry=False)
        return changed


def test_what_somebody_changed_is_found_when_read_back_and_put_right(lab: Any, asked: dict[str, Any]) -> None:
    steps = Steps(lab, asked)
    steps.run()
    assert steps.run() == [False] * 6
    application = steps.gateway.application(steps.wanted.callers)
    mapping = steps.gateway.scope(steps.wanted.scope_mapping)
    assert application is not None
    assert mapping is not None
    steps.gateway.put_application({**application, "identifiers": []})
    steps.gateway.put_scope({**mapping, "requiredAuthScopes": []})
    with pytest.raises(Refused, match="callers differs; the scope mapping differs"):
        exposure.read_back(steps.gateway, steps.wanted)
    assert steps.run() == [False, False, False, True, False, False]
    # the account's password was changed in Vault
    lab.artefacts.secret_version += 1
    assert steps.run() == [True] + [False] * 5


def test_an_older_allow_list_does_not_stay_open(lab: Any, asked: dict[str, Any]) -> None:
    steps = Steps(lab, asked)
    steps.run()
    newest = steps.gateway.versions(admin_contract.NAME)[-1]
    other = steps.gateway.add_version(newest.id, "0.9.0")
    steps.gateway.set_active(other, active=True)
    assert steps.run()[-1] is True
    assert [one.version for one in steps.gateway.versions(admin_contract.NAME)] == [admin_contract.version()]


@pytest.mark.parametrize(
    "change",
    [
        {"admin_url": "http://a${b}"},
        {"environment": "demo"},
        {"password_ref": "plain"},
        {"password": "x"},
        {"issuer": ""},
    ],
)
def test_a_request_that_is_none_is_refused(asked: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="EXTRA_VARS_INVALID"):
        check({**asked, **change}, exposure.SCHEMA)
