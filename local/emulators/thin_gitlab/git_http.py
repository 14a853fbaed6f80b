"""Git's smart HTTP, served by git's own `http-backend`; a push is announced when it ends."""

import base64
import binascii
import hmac
import os
import subprocess

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from local.emulators.thin_gitlab.answers import Json
from local.emulators.thin_gitlab.gitlab import GitLab
from local.emulators.thin_gitlab.repository import ENVIRONMENT

SERVICES = ("git-upload-pack", "git-receive-pack")
DENIED = "HTTP Basic: Access denied. The provided password or token is incorrect.\n"


async def serve(gitlab: GitLab, request: Request) -> Response:
    """`/<path>.git/info/refs`, `/git-upload-pack` and `/git-receive-pack`."""
    if not _allowed(gitlab, request.headers.get("authorization", "")):
        return PlainTextResponse(DENIED, 401, {"WWW-Authenticate": 'Basic realm="GitLab"'})
    project = gitlab.find_project(request.path_params["path"])
    if project is None:
        return PlainTextResponse("The project you were looking for could not be found.\n", 404)
    body = await request.body()
    return await run_in_threadpool(_answer, gitlab, project, request, body)


def _answer(gitlab: GitLab, project: Json, request: Request, body: bytes) -> Response:
    if request.path_params["service"] != "git-receive-pack":
        return _backend(gitlab, project, request, body)
    with gitlab.pushing(project):
        return _backend(gitlab, project, request, body)


def _backend(gitlab: GitLab, project: Json, request: Request, body: bytes) -> Response:
    folder = gitlab.repository(project).folder
    environment = {
        **ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(folder.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{folder.name}/{request.path_params['service']}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "HTTP_GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_USER": "root",
        "REMOTE_ADDR": "127.0.0.1",
        "PATH": os.environ.get("PATH", ""),
    }
    done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split(" ")[0])
    return Response(content, status, headers)


def _allowed(gitlab: GitLab, authorization: str) -> bool:
    """Basic with the token as password, whatever the user is called."""
    kind, _, encoded = authorization.partition(" ")
    try:
        password = base64.b64decode(encoded, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return False
    return kind.lower() == "basic" and hmac.compare_digest(password, gitlab.config.token.encode())
