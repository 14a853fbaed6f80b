"""`/metrics` for Prometheus: what the functions counted, and what the parts of the platform say when they are asked."""

from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from cdk.wiring import Function
from local.emf import FunctionMetrics
from local.gauges import Gauges
from stoa.kernel.database import Database
from stoa.kernel.settings import Secret

ADDRESS = "127.0.0.1"


class Exporter:
    """Begins to count when it is made, so make it before the functions start. All work is done when it is asked."""

    def __init__(self, bootstrap: str, database_url: str, logs: Path, functions: Sequence[Function], port: int) -> None:
        self._database = Database(Secret(database_url), "stoa_worker")
        self._registry = CollectorRegistry()
        self._registry.register(FunctionMetrics(logs, functions))
        self._registry.register(Gauges(bootstrap, self._database, logs, functions))
        self._port = port
        self._stop: Callable[[], None] | None = None

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self._port}/metrics"

    def start(self) -> None:
        """Raises OSError when the port is taken."""
        server, thread = start_http_server(self._port, ADDRESS, self._registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()
            self._database.close()

        self._stop = stop

    def stop(self) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None
