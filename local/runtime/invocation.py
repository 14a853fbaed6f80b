"""The function's side of a worker: imports one handler and calls it, one invocation at a time.

The parent talks over a socket whose number it hands over; what the handler prints goes to the log. A
thread of its own reads that socket, so that a busy process still ends when its parent is gone.
"""

import importlib
import json
import os
import queue
import socket
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.runtime import frames

Handler = Callable[[Any, "Context"], Any]
PARENT_GONE = 70
RESPONSE_LIMIT = 6 * 1024 * 1024


@dataclass(frozen=True)
class Context:
    """What Lambda hands to a handler beside the event."""

    aws_request_id: str
    deadline_ms: float
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    invoked_function_arn: str
    log_group_name: str
    log_stream_name: str
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self.deadline_ms - time.time() * 1000))


def context(request_id: str, deadline_ms: float) -> Context:
    """The context of one invocation, from the variables that Lambda sets."""
    name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    return Context(
        aws_request_id=request_id,
        deadline_ms=deadline_ms,
        function_name=name,
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        invoked_function_arn=f"arn:aws:lambda:{os.environ['AWS_REGION']}:000000000000:function:{name}",
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )


def failure(error: BaseException) -> dict[str, Any]:
    """An error as the Lambda runtime reports it."""
    return {
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def load(target: str) -> Handler:
    """The handler named `package.module:attribute`."""
    module, _, attribute = target.partition(":")
    handler: Handler = getattr(importlib.import_module(module), attribute)
    return handler


def call(handler: Handler, request: dict[str, Any]) -> bytes:
    """The framed answer to one request; whatever the handler raises becomes an error answer."""
    try:
        result = handler(request["event"], context(request["request_id"], request["deadline_ms"]))
    except Exception as error:  # noqa: BLE001  the shell: any error of the function is its answer
        traceback.print_exc()
        return frames.pack({"error": failure(error)})
    try:
        answer = frames.pack({"result": result})
    except (TypeError, ValueError) as error:
        return frames.pack({"error": {**failure(error), "errorType": "Runtime.MarshalError"}})
    if len(answer) > RESPONSE_LIMIT:
        refusal = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": f"{len(answer)} bytes"}
        return frames.pack({"error": refusal})
    return answer


def _read(connection: socket.socket, requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    while True:
        try:
            requests.put(frames.receive(connection))
        except (OSError, json.JSONDecodeError):
            # without a parent nobody would end this process, nor take its answer
            os._exit(PARENT_GONE)


def serve(target: str, connection: socket.socket) -> None:
    """Serves until the parent closes the connection."""
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, requests), daemon=True, name="requests").start()
    try:
        handler = load(target)
    except Exception as error:  # noqa: BLE001  the shell: an import may raise anything
        traceback.print_exc()
        connection.sendall(frames.pack({"init_error": failure(error)}))
        return
    connection.sendall(frames.pack({"ready": True}))
    while True:
        connection.sendall(call(handler, requests.get()))
