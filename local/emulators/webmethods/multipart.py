"""multipart/form-data, byte-exact: a zip in a part stays as it was sent."""

import re
from dataclasses import dataclass

NAME = re.compile(r'[;\s]name="?([^";]*)"?')
FILENAME = re.compile(r'[;\s]filename="?([^";]*)"?')


@dataclass(frozen=True)
class Part:
    data: bytes
    filename: str | None

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


def parts_of(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts by name. Raises ValueError when the body is not what `content_type` says."""
    found = re.search(r'boundary="?([^";,]+)"?', content_type)
    if found is None:
        raise ValueError("no boundary in the content type")
    delimiter = b"--" + found[1].strip().encode()
    sections = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        raise ValueError("the last boundary is missing")
    parts: dict[str, Part] = {}
    for section in sections[1:-1]:
        head, blank, data = section.partition(b"\r\n\r\n")
        disposition = re.search(r"content-disposition:(.*)", head.decode("utf-8", "replace"), re.IGNORECASE)
        name = NAME.search(disposition[1]) if disposition else None
        if not blank or disposition is None or name is None:
            raise ValueError("a part without a name")
        filename = FILENAME.search(disposition[1])
        parts[name[1]] = Part(data, filename[1] if filename else None)
    return parts
