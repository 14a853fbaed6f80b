"""Fifty lines of AWX for one test: jobs that somebody else ends, and answers that get lost."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

# of a request that is in order
LAUNCH_VARS: dict[str, Any] = {
    "openapi_type": "openapi",
    "backend": {"url": "http://127.0.0.1:2", "connection_timeout_s": 5, "read_timeout_s": 5},
    "security": {"type": "none"},
    "policies": {"logging": False},
}


class ThrownAwayAwx(ThreadingHTTPServer):
    """`mode`: up, down (503 before anything happens), drop (the job exists, nobody is told) or late (nobody is told,
    and the job is still on its way). `meanwhile` is called once while a search for jobs waits for its answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = "up"
        self.jobs: list[dict[str, Any]] = []
        self.late: list[dict[str, Any]] = []
        self.meanwhile: Callable[[], object] | None = None
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def end(self, job: dict[str, Any], status: str) -> None:
        said = {"outcome": "applied", "verified": status == "successful"}
        job.update(status=status, event_processing_finished=True, artifacts={"stoa_result": said})


class Handler(BaseHTTPRequestHandler):
    server: ThrownAwayAwx
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        jobs = self.server.jobs
        if asked.path.endswith("/launch/"):
            self.answer({"ask_variables_on_launch": True, "ask_skip_tags_on_launch": True})
        elif "job_templates" in asked.path:
            self.answer({"results": [{"id": 7}]})
        elif "id__in" in query:
            wanted = {int(i) for i in query["id__in"].split(",")}
            self.answer({"results": [job for job in jobs if job["id"] in wanted]})
        elif "skip_tags" in query:
            found = [job for job in jobs if job["skip_tags"] == query["skip_tags"]]
            meanwhile, self.server.meanwhile = self.server.meanwhile, None
            if meanwhile is not None:
                meanwhile()
            self.answer({"results": found})
        else:
            self.answer(jobs[int(asked.path.rstrip("/").rsplit("/", 1)[1]) - 1])

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.mode == "late":
            self.server.late.append(asked)
            self.close_connection = True
        elif self.server.mode != "down":
            job = {"id": len(self.server.jobs) + 1, "status": "running", "ignored_fields": {}, **asked}
            self.server.jobs.append(job)
            if self.server.mode == "drop":
                self.close_connection = True
                return
            self.answer(job, 201)
        else:
            self.answer({}, 503)

    def answer(self, body: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(503 if self.server.mode == "down" else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass
