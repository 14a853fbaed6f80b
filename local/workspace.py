"""A clone of the demo tenant's repository, with the files of one API in it."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

TENANT = "tenant-demo"
API_YAML = """\
apiVersion: stoa.cab-i.com/v1
kind: API
metadata:
  name: {api}
  tenant: {tenant}
spec:
  displayName: Orders
  version: 1.0.0
  description: Orders of the demo shop
  backend:
    url: ${{BACKEND_URL}}
    timeout: ${{BACKEND_TIMEOUT:30}}
    authentication:
      type: basic
      usernameRef: vault:secret/apim/{tenant}/dev/orders#username
      passwordRef: vault:secret/apim/{tenant}/dev/orders#password
  security:
    type: api-key
  policies:
    logging: true
"""
DEFAULTS_YAML = """\
apiVersion: stoa.cab-i.com/v1
kind: Defaults
variables:
  BACKEND_TIMEOUT: 20
"""
ENVIRONMENT_YAML = """\
apiVersion: stoa.cab-i.com/v1
kind: APIEnvironmentConfig
metadata:
  name: {api}
  environment: {environment}
variables:
  BACKEND_URL: {backend}
"""


def api_folder(api: str = "orders", tenant: str = TENANT) -> str:
    return f"tenants/{tenant}/apis/{api}"


class GitFailed(Exception):
    """git ended with an error; the text is what it said."""


def openapi_document(*, paths: tuple[str, ...] = ("/orders", "/orders/{id}")) -> dict[str, Any]:
    """An OpenAPI 3.1 document with what 3.1 brought: type lists, null, const, examples, $ref with siblings."""
    order = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "examples": ["o-1", "o-2"]},
            "note": {"type": ["string", "null"]},
            "kind": {"const": "order"},
            "total": {"type": "number", "exclusiveMinimum": 0},
            "parent": {"anyOf": [{"$ref": "#/components/schemas/Order"}, {"type": "null"}]},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1.0.0", "summary": "Orders of the demo shop"},
        "servers": [{"url": "https://orders.example.com"}],
        "paths": {path: {"get": _operation(path)} for path in paths},
        "components": {"schemas": {"Order": order}},
    }


def _operation(path: str) -> dict[str, Any]:
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    answer = {
        "description": "Found",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
    }
    return {
        "operationId": "get" + "".join(c for c in path.title() if c.isalnum()),
        "parameters": [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names],
        "responses": {"200": answer},
    }


class Workspace:
    """A working copy. The remote's password reaches git through its environment, never through argv."""

    def __init__(self, folder: Path, remote: str, user: str, password: str) -> None:
        self.folder = folder
        self.remote = remote
        self._environment = {
            **os.environ,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": '!f() { echo "username=$STOA_GIT_USER"; echo "password=$STOA_GIT_PASSWORD"; }; f',
            "STOA_GIT_USER": user,
            "STOA_GIT_PASSWORD": password,
        }

    def clone(self) -> None:
        self._git("clone", "--quiet", self.remote, str(self.folder), cwd=self.folder.parent)
        self._git("config", "user.name", "Demo Developer")
        self._git("config", "user.email", "developer@example.com")
        self._git("checkout", "--quiet", "-B", "main")

    def mirror(self, folder: Path) -> None:
        """A bare clone of what the remote has now."""
        self._git("clone", "--quiet", "--bare", self.remote, str(folder), cwd=folder.parent)

    def follow(self) -> None:
        """Points an older clone at the address that GitLab has this time."""
        self._git("remote", "set-url", "origin", self.remote)

    def pull(self) -> None:
        """Takes what was committed elsewhere, by the platform for instance."""
        self._git("pull", "--quiet", "--ff-only")

    def keep_password(self, file: Path) -> None:
        """Lets a person push from here without typing it: git's own store, in a file for its owner only."""
        user, password = self._environment["STOA_GIT_USER"], self._environment["STOA_GIT_PASSWORD"]
        address = urlsplit(self.remote)
        file.touch(mode=0o600)
        file.write_text(f"{address.scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{address.netloc}\n")
        self._git("config", "credential.helper", f"store --file={shlex.quote(str(file))}")

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def write_api(
        self,
        backend: str,
        document: dict[str, Any],
        *,
        api: str = "orders",
        tenant: str = TENANT,
        environments: tuple[str, ...] = ("dev",),
    ) -> None:
        """All files of one API."""
        folder = api_folder(api, tenant)
        self.write("_defaults.yaml", DEFAULTS_YAML)
        self.write(f"{folder}/api.yaml", API_YAML.format(api=api, tenant=tenant))
        self.write(f"{folder}/openapi.yaml", yaml.safe_dump(document, sort_keys=False))
        for name in environments:
            text = ENVIRONMENT_YAML.format(api=api, environment=name, backend=backend)
            self.write(f"{folder}/environments/{name}.yaml", text)

    def remove_api(self, api: str = "orders", tenant: str = TENANT) -> None:
        self._git("rm", "-r", "--quiet", api_folder(api, tenant))

    def pushed(self) -> bool:
        """Whether the remote has a main branch."""
        return bool(self._git("ls-remote", "origin", "refs/heads/main").strip())

    def push(self, message: str) -> str:
        """Commits everything and pushes; returns the commit id."""
        self.commit(message)
        return self.push_commits()

    def commit(self, message: str) -> str:
        """The id of the new commit, or of the newest one when nothing has changed since."""
        self._git("add", "--all")
        if self._git("status", "--porcelain"):
            self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def record(self, message: str) -> None:
        """Commits everything; something must have changed. For those who commit often: `commit` looks first."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def push_commits(self) -> str:
        """Pushes what was committed; returns the id of the newest."""
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.folder, env=self._environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise GitFailed(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout
