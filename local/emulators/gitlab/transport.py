"""Git's smart HTTP, served by git's own `http-backend`; a push is told to the hooks when it ends."""

import subprocess
import zlib

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from local.emulators.gitlab.instance import Instance, Project
from local.emulators.gitlab.pushes import push_options, pushing
from local.emulators.gitlab.repository import ENVIRONMENT

SERVICES = ("git-upload-pack", "git-receive-pack")
DENIED = "HTTP Basic: Access denied. The provided password or token is incorrect or your account has 2FA enabled.\n"
MISSING = "The project you were looking for could not be found or you don't have permission to view it.\n"
NOT_ALLOWED = "You are not allowed to push code to this project.\n"


def access_denied() -> Response:
    return PlainTextResponse(DENIED, 401, headers={"www-authenticate": 'Basic realm="GitLab"'})


def not_there() -> Response:
    return PlainTextResponse(MISSING, 404)


def may_not_push() -> Response:
    return PlainTextResponse(NOT_ALLOWED, 403)


async def serve(instance: Instance, project: Project, service: str, request: Request) -> Response:
    """`info/refs?service=..`, `git-upload-pack` and `git-receive-pack`."""
    body = await request.body()
    if request.headers.get("content-encoding") in ("gzip", "x-gzip"):
        try:
            body = zlib.decompress(body, 16 + zlib.MAX_WBITS)
        except zlib.error:
            return PlainTextResponse("the body is no gzip\n", 400)
    return await run_in_threadpool(_answer, instance, project, service, request, body)


def _answer(instance: Instance, project: Project, service: str, request: Request, body: bytes) -> Response:
    if service != "git-receive-pack":
        return _backend(project, service, request, body)
    with pushing(instance, project, push_options(options_of(body))):
        return _backend(project, service, request, body)


def _backend(project: Project, service: str, request: Request, body: bytes) -> Response:
    folder = project.repository.folder
    environment = {
        **ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(folder.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{folder.name}/{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": "root",
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200" if head else "500").split(" ")[0])
    return Response(content, status, headers)


def options_of(body: bytes) -> list[str]:
    """The push options in a receive-pack request: the lines behind the commands, if the client announced them."""
    commands, rest = _lines(body)
    if not commands or b"push-options" not in commands[0].partition(b"\0")[2].split():
        return []
    return [line.decode(errors="replace").rstrip("\n") for line in _lines(rest)[0]]


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """pkt-lines up to the next flush, and what is behind it."""
    found, at = [], 0
    while (size := _size(data[at : at + 4])) >= 4:
        found.append(data[at + 4 : at + size])
        at += size
    return found, data[at + 4 :]


def _size(head: bytes) -> int:
    try:
        return int(head, 16)
    except ValueError:
        return 0
