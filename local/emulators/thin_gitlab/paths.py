"""GitLab's paths hold encoded slashes that are part of a name: `/projects/group%2Fname/repository/files/a%2Fb`."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

SLASH = "\ue000"


class EncodedPaths:
    """Routes by the raw path, so that `%2F` stays inside its part; `decoded` gives the name back."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope["raw_path"].split(b"?")[0].decode("ascii", "replace")
            scope = {**scope, "path": unquote(raw.replace("%2F", SLASH).replace("%2f", SLASH))}
        await self.app(scope, receive, send)


def decoded(part: str) -> str:
    return part.replace(SLASH, "/")
