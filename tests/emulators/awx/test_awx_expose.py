"""The template that publishes a gateway's admin API: what its survey asks for, and a run of the real playbook."""

import json
from pathlib import Path
from typing import Any

from local.emulators.awx.seed import SURVEY
from local.gateway_consumer import Admin
from local.parts.openbao import OpenBao
from local.vault import grant, write_secret
from stoa.adapters.webmethods import admin_contract

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "layers/shared/python/stoa/adapters/webmethods/exposure.schema.json").read_text())
TEMPLATE = "/job_templates/expose-admin-api++STOA/"


def answers(gateway: dict[str, str], **changed: Any) -> dict[str, Any]:
    found = {
        "environment": "dev",
        "issuer": "https://sso.example.com/realms/stoa",
        "audience": "control-plane-api",
        "jwks_url": "https://sso.example.com/realms/stoa/certs",
        "admin_url": gateway["GATEWAY_URL"],
        "username_ref": "vault:secret/gateways/dev#username",
        "password_ref": "vault:secret/gateways/dev#password",
        **changed,
    }
    return {name: value for name, value in found.items() if value is not None}


def test_the_survey_asks_for_what_the_playbook_needs_and_the_template_says_the_rest(kit: Any) -> None:
    template = kit.api.get(TEMPLATE).json()
    asked = {question["variable"]: question for question in json.loads(SURVEY.read_text())["spec"]}
    assert asked.keys() | json.loads(template["extra_vars"]).keys() == set(SCHEMA["required"])
    assert all(question["required"] for question in asked.values())
    assert asked["environment"]["choices"] == SCHEMA["properties"]["environment"]["enum"]
    assert [name for name in template if name.startswith("ask_") and template[name]] == []


def test_what_the_survey_does_not_take_starts_nothing(kit: Any, gateway: dict[str, str]) -> None:
    path = f"/job_templates/{kit.api.get(TEMPLATE).json()['id']}/launch/"
    for wrong in ({"environment": "demo"}, {"password_ref": None}, {"issuer": 5}, {"audience": ""}):
        refused = kit.api.post(path, json={"extra_vars": answers(gateway, **wrong)})
        (name,) = wrong
        assert (refused.status_code, name in refused.json()["variables_needed_to_start"][0]) == (400, True)
    launched = kit.api.post(path, json={"extra_vars": answers(gateway, password="x", action="deploy")}).json()
    assert launched["ignored_fields"] == {"extra_vars": {"password": "x", "action": "deploy"}}
    assert json.loads(launched["extra_vars"])["action"] == "expose-admin-api"


def test_a_run_publishes_it_with_the_account_of_vault(started: Any, gateway: dict[str, str], tmp_path: Path) -> None:
    bao = OpenBao(tmp_path / "openbao")
    bao.start()
    try:
        account = {"username": gateway["GATEWAY_USER"], "password": gateway["GATEWAY_PASSWORD"]}
        token = grant(bao.url, bao.token)["awx"]
        write_secret(bao.url, bao.token, "gateways/dev", account)
        credential = {**gateway, "STOA_ENVIRONMENT": "dev", "VAULT_ADDR": bao.url, "VAULT_TOKEN": token}
        environment = {f"AWX_CREDENTIAL_{name}": value for name, value in credential.items()}
        kit = started(tmp_path / "awx", ROOT / "playbooks", **environment).kit
        launched = kit.launch(kit.api.get(TEMPLATE).json(), extra_vars=answers(gateway))
        ended = kit.wait(launched["id"])
        output = kit.api.get(f"/jobs/{ended['id']}/stdout/", params={"format": "txt"}).text
        assert ended["status"] == "successful", output
        told = json.dumps(ended) + output
        assert [secret for secret in (account["password"], token) if secret in told] == []
        published = Admin(gateway["GATEWAY_URL"], account["username"], account["password"]).api(admin_contract.NAME)
        assert published is not None
        assert (published["isActive"], published["id"]) == (
            True,
            ended["artifacts"]["stoa_admin_api"]["gateway_api_id"],
        )
    finally:
        bao.stop()
