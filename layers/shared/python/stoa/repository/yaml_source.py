"""YAML as data that remembers where each value stood. Safe: no tags, bounded size, depth and aliases."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from stoa.kernel.errors import Refused

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 50_000
MAX_NAME = 200
MAX_NUMBER = 64

HINTS = {
    "YAML_TOO_LARGE": "take out what the file does not need, or move it to the API's OpenAPI document",
    "YAML_TOO_DEEP": "write it flatter; docs/gitops.md shows each file",
    "YAML_NOT_UTF8": "save the file as UTF-8",
    "YAML_INVALID": "correct the YAML of this line or of the one before; docs/gitops.md shows each file",
    "YAML_NOT_A_MAPPING": "begin with `apiVersion: stoa.cab-i.com/v1`; docs/gitops.md shows each file",
    "YAML_DUPLICATE_KEY": "remove one of the two, or rename it",
}

# a value's place: keys and list indexes from the root
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """The content of one YAML file, the line of each value by its path, and how each number was written."""

    file: str
    content: dict[str, Any]
    lines: dict[Path, int]
    written: dict[Path, str] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of a value, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def refused(self, code: str, detail: str, path: Path = (), hint: str | None = None) -> Refused:
        field = ".".join(str(part) for part in path) or None
        return Refused(code, detail, field=field, file=self.file, line=self.line(path), hint=hint)


def read(data: bytes, file: str) -> Source:
    """Raises Refused with file and line for anything but one mapping of plain values."""
    if len(data) > MAX_BYTES:
        raise _refused("YAML_TOO_LARGE", f"larger than {MAX_BYTES} bytes", file)
    try:
        root = yaml.compose(data.decode("utf-8"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        at = _line_at(data, error.start)
        raise _refused("YAML_NOT_UTF8", "the file is not UTF-8 text", file, at) from error
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark.line + 1 if error.problem_mark else 1
        last = max(1, len(data.decode("utf-8").splitlines()))  # what is missing at the end is missed after it
        raise _refused("YAML_INVALID", str(error.problem or "not YAML"), file, min(at, last)) from error
    except yaml.reader.ReaderError as error:
        at = _line_at(data, error.position)
        raise _refused("YAML_INVALID", "a character that YAML does not allow", file, at) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _refused("YAML_INVALID", "not YAML that can be read", file) from error
    if not isinstance(root, yaml.MappingNode):
        raise _refused("YAML_NOT_A_MAPPING", "the file is not a mapping of names to values", file, 1)
    builder = _Builder(file)
    content = builder.build(root, ())
    return Source(file, content, builder.lines, builder.written)


def _refused(code: str, detail: str, file: str, line: int | None = None) -> Refused:
    return Refused(code, detail, file=file, line=line, hint=HINTS[code])


def _line_at(data: bytes, position: int) -> int:
    """libyaml counts bytes of UTF-8, as the codec does."""
    return data.count(b"\n", 0, position) + 1


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.written: dict[Path, str] = {}
        self._nodes = 0
        self._scalars = yaml.CSafeLoader("")

    def build(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refused("YAML_TOO_LARGE", f"more than {MAX_NODES} values, aliases included", line)
        if len(path) > MAX_DEPTH:
            raise self._refused("YAML_TOO_DEEP", f"nested deeper than {MAX_DEPTH}", line)
        if node.tag not in _KINDS[type(node)]:
            raise self._refused("YAML_INVALID", f"{node.tag[:80]} is not allowed", line)
        self.lines[path] = line
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path, line)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _NAMES:
                raise self._refused("YAML_INVALID", "a name must be text", line)
            key = str(key_node.value)
            if len(key) > MAX_NAME or "\0" in key:
                raise self._refused("YAML_INVALID", f"a name is at most {MAX_NAME} characters, none of them NUL", line)
            if key in made:
                raise self._refused("YAML_DUPLICATE_KEY", f"{key} stands here twice", line)
            made[key] = self.build(value_node, (*path, key))
        return made

    def _scalar(self, node: yaml.Node, path: Path, line: int) -> Any:
        if "\0" in node.value:
            raise self._refused("YAML_INVALID", "a text holds the character NUL, which no database keeps", line)
        if node.tag == _TAG + "timestamp":
            return node.value
        if node.tag in _NUMBERS:
            if len(node.value) > MAX_NUMBER:
                raise self._refused("YAML_INVALID", f"a number of more than {MAX_NUMBER} characters", line)
            self.written[path] = node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, KeyError, IndexError) as error:
            # `!!bool maybe` and `!!int ""` end in the last two
            raise self._refused("YAML_INVALID", "a value that cannot be read", line) from error

    def _refused(self, code: str, detail: str, line: int) -> Refused:
        return _refused(code, detail, self.file, line)


_TAG = "tag:yaml.org,2002:"
_NUMBERS = frozenset({_TAG + "int", _TAG + "float"})
_PLAIN = frozenset({_TAG + "str", _TAG + "bool", _TAG + "null", _TAG + "timestamp"}) | _NUMBERS
# `<<` and `=` are names like any other: nothing is merged
_NAMES = _PLAIN | {_TAG + "merge", _TAG + "value"}
_KINDS = {
    yaml.MappingNode: frozenset({_TAG + "map"}),
    yaml.SequenceNode: frozenset({_TAG + "seq"}),
    yaml.ScalarNode: _PLAIN,
}
