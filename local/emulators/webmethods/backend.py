"""The call of the native service behind an API."""

import base64
import sys
from collections.abc import Iterable
from importlib.util import find_spec

import httpx

from local.emulators.webmethods.answers import Json

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
NOT_SENT = HOP_BY_HOP | {b"host", b"content-length", b"x-gateway-apikey", b"x-centrasite-apikey"}
Headers = list[tuple[bytes, bytes]]
DEFAULT_TIMEOUT_S = 30.0


class NotRouted(Exception):
    """The native service was not reached; `status` is what the caller is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Backend:
    """One connection pool for all native services."""

    def __init__(self) -> None:
        if "sniffio" not in sys.modules and find_spec("sniffio") is None:
            # httpcore tries this import at each call; a failing one searches the whole path and halves the rate
            sys.modules["sniffio"] = None  # type: ignore[assignment]
        # shorter than servers keep an idle connection, so that none closes under a call
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=200, keepalive_expiry=2.0)
        self.transport = httpx.AsyncHTTPTransport(limits=limits)

    async def close(self) -> None:
        await self.transport.aclose()

    async def call(
        self, method: str, url: str, headers: Headers, body: bytes, alias: Json | None
    ) -> tuple[int, Headers, bytes]:
        """Status, end-to-end headers and the bytes of the body as they came. Raises NotRouted."""
        connect_s, read_s = timeouts(alias)
        limits = {"timeout": {"connect": connect_s, "read": read_s, "write": read_s, "pool": connect_s}}
        try:
            request = httpx.Request(method, url, headers=headers, content=body or None, extensions=limits)
            response = await self.transport.handle_async_request(request)
            try:
                payload = await _raw(response)
            finally:
                await response.aclose()
        except (httpx.TimeoutException, TimeoutError) as error:
            raise NotRouted(504, "native service timed out") from error
        except (httpx.TransportError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NotRouted(502, f"native service not reached: {type(error).__name__}") from error
        return response.status_code, end_to_end(response.headers.raw), payload


async def _raw(response: httpx.Response) -> bytes:
    return b"".join([part async for part in response.aiter_raw()])


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name, text) for name, text in headers if name.lower() not in HOP_BY_HOP | {b"content-length"}]


def outbound(headers: Iterable[tuple[bytes, bytes]], basic: tuple[str, str] | None) -> Headers:
    """The headers for the native service; `basic` (user, password) takes the place of the caller's own."""
    kept = [(name, text) for name, text in headers if name not in NOT_SENT]
    if basic is None:
        return kept
    token = base64.b64encode(f"{basic[0]}:{basic[1]}".encode())
    return [pair for pair in kept if pair[0] != b"authorization"] + [(b"authorization", b"Basic " + token)]


def timeouts(alias: Json | None) -> tuple[float, float]:
    """Connect and read timeout of an endpoint alias in seconds; texts are fine, 0 or nonsense means the default."""
    found = []
    for key in ("connectionTimeout", "readTimeout"):
        try:
            found.append(float((alias or {}).get(key) or 0) or DEFAULT_TIMEOUT_S)
        except (TypeError, ValueError):
            found.append(DEFAULT_TIMEOUT_S)
    return found[0], found[1]
