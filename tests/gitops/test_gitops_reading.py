"""Reading files from a GitLab that sends more than anybody can hold."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stoa.adapters.gitlab import MAX_FILE_BYTES, MAX_TOTAL_BYTES, GitLab
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

BLOCK = b" " * 2**16


class Endless(BaseHTTPRequestHandler):
    """`big` never ends, `cut` ends early, any other file has 4 MB."""

    def do_GET(self) -> None:
        blocks = {"big": 10_000, "cut": 1}.get(self.path.split("/files/")[1].split("/")[0], 64)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BLOCK) * (2 if blocks == 1 else blocks)))
        self.end_headers()
        try:
            for _ in range(blocks):
                self.wfile.write(BLOCK)
                self.server.sent += len(BLOCK)  # type: ignore[attr-defined]
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    made.sent = 0  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def client(server: ThreadingHTTPServer) -> GitLab:
    return GitLab(f"http://127.0.0.1:{server.server_address[1]}", Secret("token"))


def test_no_more_is_read_of_a_file_than_it_may_have(server: ThreadingHTTPServer) -> None:
    with pytest.raises(Refused) as caught:
        client(server).files(1, ["big"], "main")
    assert (caught.value.code, caught.value.file) == ("FILE_TOO_LARGE", "big")
    assert caught.value.hint
    # what the sockets hold comes on top
    assert server.sent < MAX_FILE_BYTES + 20 * 2**20  # type: ignore[attr-defined]


def test_files_have_a_limit_together(server: ThreadingHTTPServer) -> None:
    with pytest.raises(Refused) as caught:
        client(server).files(1, [f"part-{number}.json" for number in range(100)], "main")
    assert caught.value.code == "FILES_TOO_LARGE"
    assert str(caught.value.file).startswith("part-")
    assert server.sent < MAX_TOTAL_BYTES + 40 * 2**20  # type: ignore[attr-defined]


def test_a_body_that_breaks_off_is_read_again_later(server: ThreadingHTTPServer) -> None:
    server.RequestHandlerClass.protocol_version = "HTTP/1.0"
    with pytest.raises(Transient):
        client(server).file(1, "cut", "main")
