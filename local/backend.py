"""The service behind the demo API: answers every path with what it was asked, as JSON.

`python -m local.backend --port P`; BACKEND_USER and BACKEND_PASSWORD make it ask for Basic credentials.
"""

import argparse
import base64
import hmac
import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def echo(request: Request) -> JSONResponse:
    """The method, path, query and body that arrived."""
    user, password = os.environ.get("BACKEND_USER", ""), os.environ.get("BACKEND_PASSWORD", "")
    if password:
        want = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if not hmac.compare_digest(want.encode(), request.headers.get("authorization", "").encode()):
            return JSONResponse({"error": "credentials are missing or wrong"}, status_code=401)
    body = (await request.body()).decode("utf-8", "replace")
    said = {"method": request.method, "path": request.url.path, "query": dict(request.query_params), "body": body}
    return JSONResponse(said)


def build() -> Starlette:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", echo, methods=methods)])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    uvicorn.run(build(), host="127.0.0.1", port=options.parse_args().port, log_level="warning", access_log=False)
