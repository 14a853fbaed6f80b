"""One absolute server, because the gateway takes the first one verbatim as the native endpoint."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from stoa.openapi.document import Node
from stoa.openapi.report import Ledger

_ABSOLUTE = re.compile(r"https?://[^\s{}<>/?#]+[^\s{}<>]*\Z", re.IGNORECASE)
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def checked_url(url: str) -> str:
    """The URL itself; raises ValueError when it is not absolute http(s)."""
    if not _ABSOLUTE.match(url):
        raise ValueError(f"not an absolute http(s) URL: {url!r}")
    return url


def servers(document: Node, _: str, *, server_url: str | None, ledger: Ledger) -> None:
    """Leave one absolute server in a 3.0 document, or none."""
    written: list[Any] = document.get("servers") or []
    if server_url is not None:
        wanted: list[Node] = [{"url": checked_url(server_url)}]
    else:
        wanted = [server for server in map(_absolute, written) if server is not None][:1]
    if wanted == written:
        return
    if wanted:
        document["servers"] = wanted
        detail = f"the gateway routes to the first server only; now {wanted[0]['url']}"
        ledger.add("/servers", "servers", "one absolute server", "annotation", detail)
        return
    document.pop("servers", None)
    detail = "no server is an absolute URL; the route must come from the gateway's alias"
    ledger.add("/servers", "servers", "dropped", "annotation", detail)


def _absolute(server: Node) -> Node | None:
    """The server with the defaults of its variables filled in; None when that is no absolute URL."""
    variables = server.get("variables") or {}

    def default(match: re.Match[str]) -> str:
        variable = variables.get(match[1]) or {}
        return str(variable.get("default", match[0]))

    url = _VARIABLE.sub(default, server["url"])
    if not _ABSOLUTE.match(url):
        return None
    return server if url == server["url"] and not variables else {"url": url}


def local_servers(holder: Node, pointer: str, *, ledger: Ledger) -> None:
    """Servers of a path or an operation are not what the gateway routes by."""
    if "servers" in holder:
        del holder["servers"]
        detail = "the gateway routes every operation to the document's server"
        ledger.add(f"{pointer}/servers", "servers", "dropped", "annotation", detail)


def swagger_host(document: Node, _: str, *, server_url: str | None, ledger: Ledger) -> None:
    """The same for Swagger 2.0, which splits the address over three fields."""
    if server_url is None:
        if not document.get("host"):
            detail = "no host; the route must come from the gateway's alias"
            ledger.add("/host", "servers", "kept", "annotation", detail)
        return
    parts = urlsplit(checked_url(server_url))
    wanted = {"host": parts.netloc, "basePath": parts.path or "/", "schemes": [parts.scheme]}
    if any(document.get(key) != value for key, value in wanted.items()):
        document.update(wanted)
        ledger.add("/host", "servers", "one absolute server", "annotation", f"the route is now {server_url}")
