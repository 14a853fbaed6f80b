"""JSON messages over a socket, each after its length: four bytes, big-endian."""

import json
import socket
import struct
from typing import Any

LENGTH = struct.Struct(">I")


def pack(message: object) -> bytes:
    """Raises TypeError or ValueError when the message is not JSON."""
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    return LENGTH.pack(len(body)) + body


def receive(connection: socket.socket) -> Any:
    """The next message. Raises ConnectionError when the other side is gone, TimeoutError as the socket does."""
    (size,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
    return json.loads(_exactly(connection, size))


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("the other side closed the connection")
        parts += part
    return bytes(parts)
