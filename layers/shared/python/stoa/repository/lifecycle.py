"""Where an API stands in its life, read from its api.yaml and written into it. Pure."""

import yaml

from stoa.kernel.errors import Refused
from stoa.repository.dialect import Lifecycle, checked
from stoa.repository.yaml_source import Path, Source, read

PLACE: Path = ("spec", "lifecycle")


def stated(data: bytes, file: str) -> Lifecycle:
    """What the file says; a draft when it says nothing. Raises Refused with file and line.

    Placeholders are not resolved: an API has one lifecycle, not one per environment.
    """
    source = read(data, file)
    spec = source.content.get("spec")
    said = spec.get("lifecycle", {}) if isinstance(spec, dict) else None
    if not isinstance(said, dict):
        raise source.refused("FILE_INVALID", "spec.lifecycle is no map of names to values", PLACE)
    return checked(Lifecycle, source, said)


def restated(data: bytes, file: str, lifecycle: Lifecycle) -> bytes:
    """The file with that lifecycle in it, and every other line as its people wrote it, comments too. Raises Refused."""
    source = read(data, file)
    if not isinstance(source.content.get("spec"), dict):
        raise source.refused("FILE_INVALID", "spec: this field is missing", ("spec",))
    said = lifecycle.model_dump(exclude_none=True)
    wanted = {**source.content, "spec": {**source.content["spec"], "lifecycle": said}}
    edited = _edited(data.decode(), source, f"lifecycle: {{{', '.join(f'{k}: {v}' for k, v in said.items())}}}")
    if edited is not None and _content(edited, file) == wanted:
        return edited
    return dumped(wanted)


def dumped(content: object) -> bytes:
    """YAML in the order that is given. Raises ValueError and RecursionError for what no YAML can say."""
    return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=110).encode()


def _edited(text: str, source: Source, line: str) -> bytes | None:
    """None where a `spec` is not written as one field per line."""
    lines = text.splitlines(keepends=True)
    below = [path for path in source.lines if path[:1] == ("spec",) and len(path) > 1]
    there = [source.lines[path] for path in below if path[:2] == PLACE]
    keys = [number for number, one in enumerate(lines) if one.lstrip().startswith(f"{below[0][1]}:")] if below else []
    if not keys:
        return None
    indent = lines[keys[0]][: len(lines[keys[0]]) - len(lines[keys[0]].lstrip())]
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    made = f"{indent}{line}{end}"
    if not there:
        return "".join([*lines[: keys[0]], made, *lines[keys[0] :]]).encode()
    first = next((n for n, one in enumerate(lines) if one.startswith(f"{indent}lifecycle:")), None)
    return None if first is None else "".join([*lines[:first], made, *lines[max(there) :]]).encode()


def _content(data: bytes, file: str) -> object:
    try:
        return read(data, file).content
    except Refused:
        return None
