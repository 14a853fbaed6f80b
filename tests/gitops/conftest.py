"""A repository in memory with one API that stands in dev; and a GitLab emulator."""

from collections.abc import Iterator

import pytest

from tests.gitops.desk import Server

FOLDER = "tenants/tenant-demo/apis/orders"
API = """\
apiVersion: stoa.cab-i.com/v1
kind: API
metadata:
  name: orders
  tenant: tenant-demo
spec:
  displayName: Orders
  version: 1.0.0
  backend:
    url: ${BACKEND_URL}
    timeout: ${TIMEOUT:5}
    authentication:
      type: basic
      usernameRef: vault:secret/apim/tenant-demo/dev/orders#username
      passwordRef: vault:secret/apim/tenant-demo/dev/orders#password
  security:
    type: api-key
  policies:
    logging: true
    rateLimit:
      requests: 100
"""
DEV = """\
apiVersion: stoa.cab-i.com/v1
kind: APIEnvironmentConfig
metadata:
  name: orders
  environment: dev
variables:
  BACKEND_URL: http://orders.internal:8080
"""


@pytest.fixture
def files() -> dict[str, bytes]:
    """By path: api.yaml, environments/dev.yaml and an OpenAPI document."""
    return {
        f"{FOLDER}/api.yaml": API.encode(),
        f"{FOLDER}/openapi.yaml": b"openapi: 3.0.3\n",
        f"{FOLDER}/environments/dev.yaml": DEV.encode(),
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("gitlab"))
    yield made
    made.stop()
