"""Handlers that the tests of the runtime call. What they did is in the file $RUNTIME_LEDGER, a line per record."""

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from stoa.kernel.clock import now


def _note(line: object) -> None:
    with Path(os.environ["RUNTIME_LEDGER"]).open("a") as ledger:
        ledger.write(json.dumps(line) + "\n")


def echo(event: Any, context: Any) -> Any:
    """Answers with the event and what the context says."""
    sys.stdout.write("a line for the log\n")
    return {
        "event": event,
        "function": context.function_name,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "environment": dict(os.environ),
        "pid": os.getpid(),
    }


def odd(event: Any, _context: Any) -> Any:
    """Does what `event["do"]` says: raise, exit, sleep, or answer with something that is not JSON."""
    match event.get("do"):
        case "raise":
            raise ValueError("no such thing")
        case "exit":
            sys.exit(3)
        case "sleep":
            time.sleep(event["seconds"])
            return "slept"
        case "set":
            return {1, 2}
        case "large":
            return "x" * 7_000_000
    return event


def records(event: Any, _context: Any) -> dict[str, Any]:
    """Writes each record to the ledger. The file $RUNTIME_MODE, read each time, may tell it otherwise.

    `{"fail": n}` fails a record's first n tries by value, `{"raise": true}` the whole invocation,
    `{"sleep": s}` makes each record take that long, `{"slow": {value: s}}` only that one.
    """
    mode = json.loads(Path(os.environ["RUNTIME_MODE"]).read_text() or "{}")
    if mode.get("raise"):
        raise RuntimeError("the outside world is down")
    failures = []
    for partition, entries in event["records"].items():
        for entry in entries:
            value = base64.b64decode(entry["value"]).decode()
            time.sleep(mode.get("slow", {}).get(value, mode.get("sleep", 0)))
            if value in mode.get("refuse", []):
                failures.append({"itemIdentifier": {"partition": partition, "offset": entry["offset"]}})
                continue
            _note({"partition": partition, "offset": entry["offset"], "value": value, "at": time.time()})
    return {"batchItemFailures": failures}


def tick(event: Any, _context: Any) -> Any:
    """Notes a scheduled event; fails when the mode says so."""
    mode = json.loads(Path(os.environ["RUNTIME_MODE"]).read_text() or "{}")
    _note({"event": event, "at": time.time()})
    time.sleep(mode.get("sleep", 0))
    if mode.get("raise"):
        raise RuntimeError("this tick fails")
    return {"done": 1}


def http(event: Any, _context: Any) -> Any:
    """Answers a request: the event itself, or what its path asks for."""
    match event["rawPath"]:
        case "/raise":
            raise ValueError("broken")
        case "/exit":
            os._exit(1)
        case "/sleep":
            time.sleep(float(event["queryStringParameters"]["s"]))
            return {"statusCode": 200, "body": str(os.getpid())}
        case "/plain":
            return {"hello": "there"}
        case "/cookies":
            return {"statusCode": 201, "cookies": ["a=1", "b=2; Path=/"], "headers": {"X-One": "1"}, "body": "made"}
        case "/binary":
            body = base64.b64encode(bytes(range(256))).decode()
            return {
                "statusCode": 200,
                "headers": {"content-type": "application/octet-stream"},
                "body": body,
                "isBase64Encoded": True,
            }
        case "/wrong":
            return {"statusCode": "many"}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}


def clock(_event: Any, _context: Any) -> str:
    return now().isoformat()
