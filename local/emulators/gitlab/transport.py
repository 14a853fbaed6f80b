"""The git remote: smart HTTP by git's own upload-pack and receive-pack."""

import subprocess
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from local.emulators.gitlab.instance import Instance, Project
from local.emulators.gitlab.pushes import HEADS, Change, announce, push_options
from local.emulators.gitlab.repository import ENVIRONMENT

IN_MEMORY = 2**22
CHUNK = 2**16
SERVICES = ("git-upload-pack", "git-receive-pack")
NO_CACHE = {
    "cache-control": "no-cache, max-age=0, must-revalidate",
    "expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "pragma": "no-cache",
}
DENIED = "HTTP Basic: Access denied. The provided password or token is incorrect or your account has 2FA enabled.\n"
MISSING = "The project you were looking for could not be found or you don't have permission to view it.\n"


def access_denied() -> Response:
    return PlainTextResponse(DENIED, 401, headers={"www-authenticate": 'Basic realm="GitLab"'})


def not_there() -> Response:
    return PlainTextResponse(MISSING, 404)


def _command(service: str, project: Project, *options: str) -> list[str]:
    quick = ["-c", "core.fsync=none"]
    return ["git", *quick, service.removeprefix("git-"), "--stateless-rpc", *options, str(project.repository.folder)]


def _environment(request: Request) -> dict[str, str]:
    protocol = request.headers.get("git-protocol")
    return {**ENVIRONMENT, "GIT_PROTOCOL": protocol} if protocol else ENVIRONMENT


async def advertise(project: Project, service: str, request: Request) -> Response:
    """GET info/refs?service=..."""
    command = _command(service, project, "--http-backend-info-refs")
    done = await run_in_threadpool(subprocess.run, command, capture_output=True, env=_environment(request))
    if done.returncode != 0:
        return PlainTextResponse(done.stderr, 500)
    body = pkt_line(f"# service={service}\n".encode()) + b"0000" + done.stdout
    return Response(body, headers=NO_CACHE, media_type=f"application/x-{service}-advertisement")


async def serve(instance: Instance, project: Project, service: str, request: Request) -> Response:
    """POST git-upload-pack or git-receive-pack."""
    body = await _received(request)
    environment = _environment(request)
    if service == "git-upload-pack":
        process = subprocess.Popen(_command(service, project), stdin=body, stdout=subprocess.PIPE, env=environment)
        return StreamingResponse(_output(process, body), headers=NO_CACHE, media_type=f"application/x-{service}-result")
    output = await run_in_threadpool(_receive, instance, project, body, environment)
    return Response(output, headers=NO_CACHE, media_type=f"application/x-{service}-result")


async def _received(request: Request) -> IO[bytes]:
    """The whole body on disk, unpacked: a slow client must not keep the repository locked."""
    # unbuffered: git gets the descriptor, and where it stands must be where we left it
    file: IO[bytes] = tempfile.TemporaryFile(buffering=0)
    try:
        async for chunk in _unpacked(request):
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


async def _unpacked(request: Request) -> AsyncIterator[bytes]:
    if request.headers.get("content-encoding") not in ("gzip", "x-gzip"):
        async for chunk in request.stream():
            yield chunk
        return
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    async for chunk in request.stream():
        yield unpack.decompress(chunk)
    yield unpack.flush()


def _output(process: subprocess.Popen[bytes], body: IO[bytes]) -> Iterator[bytes]:
    with process, body:
        assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        while chunk := process.stdout.read1(CHUNK):  # type: ignore[attr-defined]
            yield chunk


def _receive(instance: Instance, project: Project, body: IO[bytes], environment: dict[str, str]) -> bytes:
    """Runs receive-pack, and tells the hooks which of the commands took effect."""
    repository = project.repository
    with body:
        commands, options = read_commands(body)
        body.seek(0)
        with repository.lock:
            before = {ref: repository.ref(ref) or repository.zeros for _, _, ref in commands}
            done = subprocess.run(
                _command("git-receive-pack", project), stdin=body, capture_output=True, env=environment
            )
            moved = [Change(ref, before[ref], repository.ref(ref) or repository.zeros) for ref in before]
            changes = [change for change in moved if change.before != change.after]
            _first_branch(project, changes)
    announce(instance, project, changes, push_options(options))
    return done.stdout


def _first_branch(project: Project, changes: list[Change]) -> None:
    """The first branch ever pushed becomes the default one when that does not exist."""
    repository = project.repository
    if changes and repository.branch(repository.head()) is None:
        created = [change.ref.removeprefix(HEADS) for change in changes if change.ref.startswith(HEADS)]
        there = [name for name in created if repository.branch(name)]
        if there and len(repository.refs()) == len(there):
            repository.set_head(there[0])


def pkt_line(data: bytes) -> bytes:
    return f"{len(data) + 4:04x}".encode() + data


def read_commands(body: IO[bytes]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The head of a receive-pack request: (old, new, ref) of each command, and the push options."""
    commands: list[tuple[str, str, str]] = []
    capabilities = b""
    for line in _lines(body):
        text, _, behind = line.partition(b"\0")
        capabilities = capabilities or behind
        parts = text.decode(errors="replace").rstrip("\n").split(" ", 2)
        if len(parts) == 3:
            commands.append((parts[0], parts[1], parts[2]))
    options: list[str] = []
    if b"push-options" in capabilities.split():
        options = [line.decode(errors="replace").rstrip("\n") for line in _lines(body)]
    return commands, options


def _lines(body: IO[bytes]) -> Iterator[bytes]:
    """pkt-lines up to the next flush."""
    while True:
        head = body.read(4)
        try:
            size = int(head, 16)
        except ValueError:
            return
        if size < 4:
            return
        yield body.read(size - 4)
