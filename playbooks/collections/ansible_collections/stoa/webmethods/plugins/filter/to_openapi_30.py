"""The control plane's own converter as a filter: the last guard before the gateway, which refuses 3.1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleFilterError

from stoa.openapi import SpecRefused, convert, gateway_profile, parse, to_bytes


def to_openapi_30(path: str) -> str:
    """Path of an OpenAPI file -> path of one that the gateway takes; the same when it takes it already."""
    source = Path(path)
    try:
        document = parse(source.read_bytes(), name=source.name)
        if not document.version.startswith("3.1"):
            return path
        converted = gateway_profile(convert(document).document, server_url=None).document
    except SpecRefused as error:
        raise AnsibleFilterError(str(error)) from None
    target = source.with_suffix(".30.json")
    target.write_bytes(to_bytes(converted))
    return str(target)


class FilterModule:
    def filters(self) -> dict[str, Callable[[str], str]]:
        return {"to_openapi_30": to_openapi_30}
