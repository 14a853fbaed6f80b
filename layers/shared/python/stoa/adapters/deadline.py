"""One end for a whole call. The timeout of a socket is between two bytes: whoever answers byte by byte outlasts it."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Timer


class Deadline:
    """Begins when it is made."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def left_s(self) -> float:
        """Above 0, which a socket takes for no waiting at all."""
        return max(0.001, self._end - time.monotonic())

    @contextmanager
    def cuts(self, connected: Callable[[], socket.socket | None]) -> Iterator[None]:
        """Shuts the socket down at the end, unless the block ended before: who reads from it then gets nothing more,
        or an OSError. `connected` says which socket, None while there is none."""
        timer = Timer(self.left_s, _shut_down, (connected,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _shut_down(connected: Callable[[], socket.socket | None]) -> None:
    found = connected()
    if found is not None:
        with suppress(OSError):  # it was closed at this moment
            # below TLS: its own shutdown would take the session from under the thread that reads
            socket.socket.shutdown(found, socket.SHUT_RDWR)
