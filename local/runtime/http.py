"""The HTTP front: each request becomes one invocation of one function, as API Gateway does it.

`python -m local.runtime.http '<json>'` serves on 127.0.0.1. As many requests run at once as there are
workers; more of them wait.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router, request_response

from local.runtime import http_event
from local.runtime.processes import die_with_parent, function_environment
from local.runtime.worker import FunctionDied, FunctionError, FunctionSpec, FunctionTimeout, InvocationError, Worker

log = logging.getLogger(__name__)

REQUEST_LIMIT = 6 * 1024 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STATUS_OF = {FunctionError: 500, FunctionDied: 502, FunctionTimeout: 504}
HOP_BY_HOP = frozenset({"content-length", "transfer-encoding", "connection"})


class TooLarge(Exception):
    """The request does not fit into an invocation."""


@dataclass(frozen=True)
class Front:
    """What one front serves: a function, on a port, with so many workers."""

    function: str
    target: str
    port: int
    workers: int
    timeout_s: float
    memory_mb: int
    log: str

    def dump(self) -> str:
        return json.dumps(asdict(self))


class Pool:
    """Workers of one function; the one used last is used first, as Lambda keeps warm what is warm."""

    def __init__(self, spec: FunctionSpec, size: int) -> None:
        self._workers = [Worker(spec) for _ in range(size)]
        self._free = list(self._workers)
        self._turns = asyncio.Semaphore(size)
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="worker")

    async def warm_up(self) -> None:
        """Starts all workers; one that cannot start says so at each invocation."""
        loop = asyncio.get_running_loop()
        started = (loop.run_in_executor(self._threads, worker.start) for worker in self._workers)
        for outcome in await asyncio.gather(*started, return_exceptions=True):
            if isinstance(outcome, InvocationError):
                log.error("the function does not start: %s", outcome)

    async def invoke(self, event: dict[str, Any]) -> Any:
        """What the function returned; waits for a free worker. Raises InvocationError."""
        async with self._turns:
            worker = self._free.pop()
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, worker.invoke, event)
            finally:
                self._free.append(worker)

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()
        for worker in self._workers:
            worker.stop()


def create_app(spec: FunctionSpec, workers: int) -> Router:
    """The front as an ASGI application."""
    pool = Pool(spec, workers)

    async def serve(request: Request) -> Response:
        if request.method not in METHODS or not request.scope["path"].startswith("/"):
            return _message(404, "Not Found")
        try:
            asked = http_event.event(await _read(request))
            return _rendered(http_event.response(await pool.invoke(asked)))
        except TooLarge:
            return _message(413, "Request Entity Too Large")
        except ClientDisconnect:
            return Response(status_code=499)
        except InvocationError as error:
            log.warning("%s: %s", spec.name, error)
            return _message(STATUS_OF[type(error)], "Internal Server Error")
        except http_event.BadAnswer as error:
            log.warning("%s answered what is not a response: %s", spec.name, error)
            return _message(500, "Internal Server Error")

    @asynccontextmanager
    async def lifespan(_app: Router) -> AsyncIterator[None]:
        await pool.warm_up()
        yield
        pool.close()

    # as $default takes every path; a route of Starlette's would leave out those with a line feed
    return Router(default=request_response(serve), lifespan=lifespan)


async def _read(request: Request) -> http_event.Request:
    scope = request.scope
    return http_event.Request(
        method=request.method,
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=await _body(request),
        source_ip=request.client.host if request.client else "127.0.0.1",
        received=datetime.now(UTC),
    )


async def _body(request: Request) -> bytes:
    if int(request.headers.get("content-length") or 0) > REQUEST_LIMIT:
        raise TooLarge
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > REQUEST_LIMIT:
            raise TooLarge
    return bytes(body)


def _rendered(response: http_event.Response) -> Response:
    rendered = Response(response.body, response.status)
    for name, value in response.headers:
        if name not in HOP_BY_HOP:
            rendered.headers.append(name, value)
    return rendered


def _message(status: int, text: str) -> Response:
    return Response(json.dumps({"message": text}), status, media_type="application/json")


def main() -> None:
    """Serves until SIGTERM, SIGINT, or the end of the parent."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = argparse.ArgumentParser(prog="python -m local.runtime.http")
    options.add_argument("front", help="a Front as JSON")
    front = Front(**json.loads(options.parse_args().front))
    spec = FunctionSpec(
        front.function, front.target, front.timeout_s, front.memory_mb, function_environment(), Path(front.log)
    )
    config = uvicorn.Config(
        create_app(spec, front.workers),
        host="127.0.0.1",
        port=front.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # API Gateway takes nobody's word for where a call comes from
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    server.run()
    sys.exit(0 if server.started else 1)


if __name__ == "__main__":
    main()
