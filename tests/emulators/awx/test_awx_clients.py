"""Clients that others wrote, our own client, and the real playbooks, against the emulator."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import awxkit
import pytest
from awxkit.api.client import Connection
from awxkit.api.pages.api import Api

from local.gateway_consumer import Admin
from stoa.adapters.awx import Awx
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = json.dumps(
    {
        "openapi": "3.0.3",
        "info": {"title": "orders", "version": "1.0.0"},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "paths": {"/orders": {"get": {"responses": {"200": {"description": "fine"}}}}},
    }
).encode()


class Artefact(BaseHTTPRequestHandler):
    """Serves the one document to whoever has the token."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer artefact-token"
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(DOCUMENT)))
        self.end_headers()
        self.wfile.write(DOCUMENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def artefact_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Artefact)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/artefacts/1"
    server.shutdown()


def test_the_library_launches_waits_and_sees_success(flowing: Any, wanted: Callable[..., dict[str, Any]]) -> None:
    awxkit.config.base_url = flowing.url
    root = Api(connection=Connection(flowing.url))
    root.connection.login(token="awx-token")
    v2 = root.get().available_versions.v2.get()

    template = v2.job_templates.get(name="sync-alias").results[0]
    job = template.launch({"extra_vars": wanted(), "skip_tags": "stoa-kit"})
    job.wait_until_completed(interval=0.05, timeout=20)

    assert job.is_successful
    assert v2.jobs.get(skip_tags="stoa-kit").count == 1
    assert v2.me.get().results[0].username == "admin"


def test_the_command_line_launches_and_prints_the_output(playing: Any) -> None:
    kit, _ = playing
    template = kit.prompting(playbook="ok.yaml")
    command = [str(Path(sys.executable).with_name("awx")), "--conf.host", kit.url]
    own = {"CONTROLLER_USERNAME": "admin", "CONTROLLER_PASSWORD": "awx-pass", "TOWER_USERNAME": "admin"}
    asked = ["job_templates", "launch", template["name"], "--monitor", "--interval", "2.5", "-e", '{"word": "hello"}']

    done = subprocess.run([*command, *asked], env={**os.environ, **own}, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PLAY RECAP" in done.stdout
    assert '"status": "successful"' in done.stdout
    job = kit.job(kit.ids("/jobs/", job_template=template["id"])[0])
    assert json.loads(job["extra_vars"]) == {"word": "hello"}


def test_our_client_launches_finds_and_reads_back(flowing: Any, wanted: Callable[..., dict[str, Any]]) -> None:
    client, sent = Awx(flowing.url, Secret("awx-token")), wanted()
    tag = f"stoa-{sent['deployment_id']}"

    launched = client.launch("sync-alias", extra_vars=sent, skip_tags=tag)
    ended = flowing.until(lambda: (job := client.job(launched.id)).settled and job)

    assert (ended.status, ended.artifacts["stoa_result"]["outcome"]) == ("successful", "applied")
    assert [job.id for job in client.find(tag)] == [launched.id]
    assert [job.status for job in client.jobs([launched.id, 10_000])] == ["successful"]
    client.cancel(launched.id)


def test_our_client_sees_refusals_and_outages(kit: Any) -> None:
    client = Awx(kit.url, Secret("awx-token"))
    client.launch("deploy-api", extra_vars={}, skip_tags="stoa-1")
    kit.api.patch("/job_templates/1/", json={"ask_skip_tags_on_launch": False})

    with pytest.raises(Refused, match="skip_tags"):
        client.launch("deploy-api", extra_vars={}, skip_tags="stoa-2")
    assert kit.ids("/jobs/", status="canceled") == [2]
    kit.put("faults", mode="down", count=1)
    with pytest.raises(Transient):
        client.job(1)
    with pytest.raises(Transient):
        Awx(kit.url, Secret("wrong")).job(1)


def test_our_client_launches_a_template_that_was_made_anew(kit: Any) -> None:
    client = Awx(kit.url, Secret("awx-token"))
    client.launch("deploy-api", extra_vars={"deployment_id": "dep-1"}, skip_tags="stoa-dep-1")
    old = kit.api.get("/job_templates/1/").json()
    kit.api.delete("/job_templates/1/")
    with pytest.raises(Transient) as gone:
        client.launch("deploy-api", extra_vars={}, skip_tags="stoa-dep-2")
    assert (gone.value.alarm, gone.value.sent) == (True, False)
    kit.prompting(name=old["name"], playbook=old["playbook"], organization=old["organization"])
    client._templates["deploy-api"] = 1

    job = client.launch("deploy-api", extra_vars={"deployment_id": "dep-2"}, skip_tags="stoa-dep-2")
    assert [found.id for found in client.find("stoa-dep-2")] == [job.id]
    assert len(kit.ids("/jobs/", skip_tags="stoa-dep-2")) == 1


def test_our_client_never_takes_a_job_whose_variables_were_ignored_for_its_own(kit: Any) -> None:
    client, sent = Awx(kit.url, Secret("awx-token")), {"deployment_id": "dep-1"}
    client.launch("deploy-api", extra_vars=sent, skip_tags="stoa-dep-0")
    kit.api.patch("/job_templates/1/", json={"ask_variables_on_launch": False})
    kit.put("faults", mode="down", path="/cancel/$")

    with pytest.raises(Refused, match="AWX_FIELDS_IGNORED"):
        client.launch("deploy-api", extra_vars=sent, skip_tags="stoa-dep-1")
    assert kit.ids("/jobs/", skip_tags="stoa-dep-1", status="pending") == [2]
    assert client.find("stoa-dep-1") == []


def test_a_real_playbook_publishes_an_api_on_the_gateway(
    started: Any, gateway: dict[str, str], tmp_path: Path, wanted: Callable[..., dict[str, Any]], artefact_url: str
) -> None:
    credential = {**gateway, "STOA_ARTEFACT_TOKEN": "artefact-token", "VAULT_ADDR": artefact_url, "VAULT_TOKEN": "none"}
    environment = {f"AWX_CREDENTIAL_{name}": value for name, value in credential.items()}
    kit = started(tmp_path, ROOT / "playbooks", **environment).kit
    variables = wanted(
        action="deploy",
        openapi_url=artefact_url,
        openapi_sha256=hashlib.sha256(DOCUMENT).hexdigest(),
        openapi_type="openapi",
        security={"type": "api-key"},
        policies={"logging": True},
    )

    ended = kit.wait(kit.launch(extra_vars=variables, skip_tags=f"stoa-{variables['deployment_id']}")["id"])

    output = kit.api.get(f"/jobs/{ended['id']}/stdout/", params={"format": "txt"}).text
    assert ended["status"] == "successful", output
    result = ended["artifacts"]["stoa_result"]
    assert (result["outcome"], result["verified"], result["active"]) == ("applied", True, True)
    admin = Admin(gateway["GATEWAY_URL"], gateway["GATEWAY_USER"], gateway["GATEWAY_PASSWORD"])
    published = admin.api(f"tenant-acme.{variables['api_name']}")
    assert published is not None
    assert published["isActive"] is True
