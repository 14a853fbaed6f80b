"""YAML as data that remembers where each value stood. Safe: no tags, bounded size, depth and aliases."""

from dataclasses import dataclass
from typing import Any

import yaml

from stoa.kernel.errors import Refused

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 50_000

# a value's place: keys and list indexes from the root
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """The content of one YAML file, and the line of each value by its path."""

    file: str
    content: dict[str, Any]
    lines: dict[Path, int]

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
        raise Refused("YAML_TOO_LARGE", f"larger than {MAX_BYTES} bytes", file=file)
    try:
        root = yaml.compose(data.decode("utf-8"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise Refused("YAML_NOT_UTF8", "the file is not UTF-8 text", file=file) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise Refused("YAML_INVALID", str(error.problem or "not YAML"), file=file, line=line) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise Refused("YAML_INVALID", "not YAML that can be read", file=file) from error
    if not isinstance(root, yaml.MappingNode):
        raise Refused("YAML_NOT_A_MAPPING", "the file is not a mapping of names to values", file=file, line=1)
    builder = _Builder(file)
    content = builder.build(root, ())
    return Source(file, content, builder.lines)


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self._nodes = 0
        self._scalars = yaml.CSafeLoader("")

    def build(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Refused(
                "YAML_TOO_LARGE", f"more than {MAX_NODES} values, aliases included", file=self.file, line=line
            )
        if len(path) > MAX_DEPTH:
            raise Refused("YAML_TOO_DEEP", f"nested deeper than {MAX_DEPTH}", file=self.file, line=line)
        self.lines[path] = line
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Refused("YAML_INVALID", "a name must be text", file=self.file, line=line)
            key = str(key_node.value)
            if key in made:
                raise Refused("YAML_DUPLICATE_KEY", f"{key} stands here twice", file=self.file, line=line)
            made[key] = self.build(value_node, (*path, key))
        return made

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.rsplit(":", 1)[1] not in _PLAIN:
            raise Refused("YAML_INVALID", f"{node.tag} is not allowed", file=self.file, line=line)
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise Refused("YAML_INVALID", "a value that cannot be read", file=self.file, line=line) from error


_PLAIN = frozenset({"str", "int", "float", "bool", "null"})
