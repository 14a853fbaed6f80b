"""One job: cancel, output, events, and the notifications about it."""

import html
import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from local.emulators.awx.answers import Json, answer, not_allowed, nothing
from local.emulators.awx.awx import Awx
from local.emulators.awx.documents import FINAL
from local.emulators.awx.lists import Scope, page

ANSI = re.compile(r"\x1b\[[0-9;]*m")
DISPLAY_LIMIT = 1024 * 1024
TOO_LARGE = "Standard Output too large to display ({} bytes), only download supported for sizes over {} bytes."
OF_JOB = """SELECT id, body FROM job_events WHERE json_extract(body, '$.job') = ?
  ORDER BY json_extract(body, '$.counter')"""
FORMATS = ("api", "html", "json", "txt", "ansi", "txt_download", "ansi_download")


async def can_cancel(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    return answer({"can_cancel": job["status"] not in FINAL})


async def cancel(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    if job["status"] in FINAL:
        raise not_allowed("POST")
    awx.runs.cancel(job["id"])
    return nothing(202)


async def delete(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    if job["status"] not in FINAL:
        return answer({"error": "job has not finished processing events"}, 400)
    awx.store.delete("jobs", job["id"])
    awx.store.database.execute("DELETE FROM job_events WHERE json_extract(body, '$.job') = ?", (job["id"],))
    return nothing()


async def stdout(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    wanted = request.query_params.get("format", "api")
    if wanted not in FORMATS:
        return answer({"detail": "Not found."}, 404)
    text, lines = _output(awx, job)
    size = len(text.encode())
    if size > DISPLAY_LIMIT and not wanted.endswith("_download"):
        text = TOO_LARGE.format(size, DISPLAY_LIMIT)
    if wanted == "json":
        start, end = _range(request, len(lines))
        content = text if size > DISPLAY_LIMIT else "".join(lines[start:end])
        return answer({"range": {"start": start, "end": end, "absolute_end": len(lines)}, "content": content})
    plain = ANSI.sub("", text)
    if wanted in ("html", "api"):
        return HTMLResponse(f'<html><body class="ansi_back"><pre>{html.escape(plain)}</pre></body></html>')
    headers = {"content-disposition": f'attachment; filename="job_{job["id"]}.txt"'} if "_" in wanted else {}
    return PlainTextResponse(plain if wanted.startswith("txt") else text, headers=headers)


def _output(awx: Awx, job: Json) -> tuple[str, list[str]]:
    text = "".join(event["stdout"] + "\n" for event in awx.store.select(OF_JOB, [job["id"]]) if event["stdout"])
    return text, text.splitlines(keepends=True)


def _range(request: Request, lines: int) -> tuple[int, int]:
    query = request.query_params
    start, end = (query.get(name, "") for name in ("start_line", "end_line"))
    last = min(int(end), lines) if end.isdigit() else lines
    return (min(int(start), last) if start.isdigit() else 0), last


async def events(awx: Awx, request: Request) -> Response:
    return page(awx, request, "job_events", _of_job(awx, request))


async def notifications(awx: Awx, request: Request) -> Response:
    return page(awx, request, "notifications", _of_job(awx, request))


def _of_job(awx: Awx, request: Request) -> Scope:
    job = awx.object("jobs", request.path_params["id"])
    return Scope("json_extract(t.body, '$.job') = ?", (job["id"],))


async def labels(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    inner = "SELECT target FROM links WHERE owner_kind = 'jobs' AND owner = ? AND name = 'labels'"
    return page(awx, request, "labels", Scope(f"t.id IN ({inner})", (job["id"],)))


async def host_summaries(awx: Awx, request: Request) -> Response:
    job = awx.object("jobs", request.path_params["id"])
    results = [{"host_name": name, "job": job["id"], **counts} for name, counts in job.get("hosts", {}).items()]
    return answer({"count": len(results), "next": None, "previous": None, "results": results})
