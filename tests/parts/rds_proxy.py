"""What RDS Proxy does at a login, in front of a PostgreSQL of this machine.

Sources: PostgreSQL documentation, "Frontend/Backend Protocol" (SSLRequest, StartupMessage,
AuthenticationCleartextPassword); Amazon RDS User Guide, "Connecting to a database through RDS Proxy": TLS and IAM
required, a token as the password, no command-line options.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PASSWORD_WANTED = b"R" + struct.pack("!ii", 8, 3)


class RdsProxy:
    """Serves one connection after the other, until `close`; `tokens` are those it was shown."""

    def __init__(self, upstream: Path, certificate: Path, key: Path) -> None:
        self._upstream = str(upstream)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.tokens: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._admit, args=(plain,), daemon=True).start()

    def _admit(self, plain: socket.socket) -> None:
        with plain:
            if _exactly(plain, 8) != SSL_REQUEST:
                plain.sendall(_error("08P01", "This RDS Proxy requires TLS connections"))
                return
            plain.sendall(b"S")
            try:
                with self._context.wrap_socket(plain, server_side=True) as secured:
                    self._log_in(secured)
            except OSError:  # of a client that does not believe us as well
                return

    def _log_in(self, client: ssl.SSLSocket) -> None:
        (length,) = struct.unpack("!i", _exactly(client, 4))
        startup = _exactly(client, length - 4)
        given = startup[4:].split(b"\0")
        parameters = {name.decode(): value.decode() for name, value in zip(given[::2], given[1::2], strict=False)}
        if "options" in parameters:
            client.sendall(_error("0A000", "RDS Proxy currently doesn't support command-line options."))
            return
        client.sendall(PASSWORD_WANTED)
        _, length = struct.unpack("!ci", _exactly(client, 5))
        self.tokens.append(_exactly(client, length - 4)[:-1].decode())
        if not _signed(self.tokens[-1], parameters):
            client.sendall(_error("28P01", "The IAM authentication failed"))
            return
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self._upstream)
            server.sendall(struct.pack("!i", len(startup) + 4) + startup)
            threading.Thread(target=_relay, args=(client, server), daemon=True).start()
            _relay(server, client)


def _signed(token: str, parameters: Mapping[str, str]) -> bool:
    query = parse_qs(urlsplit(f"https://{token}").query)
    return query.get("DBUser") == [parameters["user"]] and query.get("Action") == ["connect"]


def _relay(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = source.recv(count - len(found))
        if not more:
            raise ConnectionError("the client went away")
        found += more
    return found


def _error(code: str, text: str) -> bytes:
    fields = b"".join(name + value.encode() + b"\0" for name, value in ((b"S", "FATAL"), (b"C", code), (b"M", text)))
    return b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"
