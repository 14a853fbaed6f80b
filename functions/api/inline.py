"""Routes that run where they are called: a container serves one request at a time, and FastAPI would hand every
endpoint that is not async to a thread, and what it answers to another, which costs more than most of them do."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter


@functools.cache
def current_loop() -> asyncio.AbstractEventLoop:
    """One for as long as the container lives. Mangum takes the one that is set; Python sets none by itself any more."""
    return asyncio.new_event_loop()


def inline(call: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The same function, in FastAPI's eyes async."""

    @functools.wraps(call)
    async def called(*given: Any, **named: Any) -> Any:
        return call(*given, **named)

    return called


class Router(APIRouter):
    """Its functions stay as they are in their module, for those that call each other."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        super().add_api_route(path, inline(endpoint), **given)
