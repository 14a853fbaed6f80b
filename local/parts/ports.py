"""Free ports on 127.0.0.1, and who listens beyond it."""

import json
import socket
from collections.abc import Collection
from pathlib import Path

from local.parts.whole_file import write_whole

LAST_PORT = 65535
_LISTEN = "0A"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def kept_ports(file: Path, names: Collection[str]) -> dict[str, int]:
    """One port for each name: those of the file while they are free, else new ones, which it then holds.

    The ports of other names stay as they are, and are given to nobody else.
    """
    known = _known(file)
    for name in names:
        if name not in known or not is_free(known[name]):
            known[name] = _new_port(set(known.values()))
    write_whole(file, json.dumps(known), 0o644)
    return {name: known[name] for name in names}


def _known(file: Path) -> dict[str, int]:
    """What is not a port is left out: another one is as good."""
    try:
        kept = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {name: port for name, port in kept.items() if type(port) is int and 0 < port <= LAST_PORT}


def _new_port(taken: set[int]) -> int:
    while (port := free_port()) in taken:
        pass
    return port


def beyond_loopback(pids: Collection[int]) -> list[str]:
    """`address:port` of every TCP listener of these processes that is not on a loopback address."""
    sockets = {inode for pid in pids for inode in _sockets(pid)}
    found = []
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            mapped = address.endswith("FFFF00000100007F")
            if fields[3] == _LISTEN and fields[9] in sockets and address != loopback and not mapped:
                found.append(f"{address}:{int(port, 16)}")
    return found


def _sockets(pid: int) -> set[str]:
    found = set()
    try:
        for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass  # the process ended, or the descriptor was closed meanwhile
    return found
