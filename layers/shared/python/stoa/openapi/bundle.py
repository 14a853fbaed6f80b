"""References to other files of the same API folder become components of the one document."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from stoa.openapi.document import Node, lookup, tokens_of
from stoa.openapi.grammar import SECTIONS_V2, SECTIONS_V3, V20, Grammar, Kind
from stoa.openapi.naming import Names, from_tokens
from stoa.openapi.origin import Origin
from stoa.openapi.rebuild import Rebuilder
from stoa.openapi.refusal import EXTERNAL_REF, REF_UNRESOLVED, TOO_LARGE, SpecRefused

MAX_BYTES = 5 * 1024 * 1024
MAX_INLINED = 10


def bundle(
    content: Node,
    origin: Origin,
    files: Mapping[str, bytes],
    grammar: Grammar,
    read: Callable[[bytes], Node],
) -> Node:
    """The document with all references into `files` made local; the same object when there are none.

    Only files that are referred to are looked up and read; `origin` is told which, and what came from where.
    Raises SpecRefused for a reference that leaves the folder, names a file that is not in `files`, or points at
    nothing, and when all files together are too large.
    """
    return _Bundler(content, origin, files, grammar, read).run()


class _Bundler:
    def __init__(
        self, content: Node, origin: Origin, files: Mapping[str, bytes], grammar: Grammar, read: Callable[[bytes], Node]
    ) -> None:
        self.grammar = grammar
        self.origin = origin
        self.root = origin.name
        self._contents: dict[str, Node] = {self.root: content}
        self._files = files
        self._bytes = 0
        self._read = read
        self._placed: dict[tuple[str, str, str], str] = {}
        self._new: dict[str, Node] = {}
        self._waiting: deque[tuple[str, str, str, str]] = deque()
        self._inlining: set[tuple[str, str]] = set()
        self._v2 = grammar is V20
        self._sections = SECTIONS_V2 if self._v2 else SECTIONS_V3
        self._names = {section: Names(self._existing(section)) for section in self._sections.values()}

    def run(self) -> Node:
        content = self._contents[self.root]
        result: Node = _FileRebuilder(self, self.root).build(content, "document", "")
        while self._waiting:
            path, fragment, kind_name, name = self._waiting.popleft()
            built = _FileRebuilder(self, path).build(lookup(self._contents[path], fragment), kind_name, fragment)
            self._new.setdefault(self._sections[kind_name], {})[name] = built
        home = result if self._v2 else dict(result.get("components") or {})
        for section, added in self._new.items():
            home[section] = {**(home.get(section) or {}), **added}
        if home is not result and home:
            result["components"] = home
        return result if len(self._contents) > 1 else content

    def content_of(self, path: str, pointer: str) -> Node:
        if path not in self._contents:
            if path not in self._files:
                raise SpecRefused(EXTERNAL_REF, f"the file {path} is not part of this API", pointer=pointer)
            data = self._files[path]
            self._bytes += len(data)
            if self._bytes > MAX_BYTES:
                raise SpecRefused(TOO_LARGE, f"larger than {MAX_BYTES // 2**20} MB with its files", pointer=pointer)
            self.origin.files[path] = data
            try:
                self._contents[path] = self._read(data)
            except SpecRefused as refused:
                refused.file = path
                raise
        return self._contents[path]

    def target(self, path: str, fragment: str, pointer: str) -> Node:
        try:
            node = lookup(self.content_of(path, pointer), fragment)
        except KeyError:
            raise SpecRefused(REF_UNRESOLVED, f"{path} has nothing at #{fragment}", pointer=pointer) from None
        if not isinstance(node, dict):
            raise SpecRefused(REF_UNRESOLVED, f"{path}#{fragment} is not an object", pointer=pointer)
        return node

    def place(self, path: str, fragment: str, kind: Kind, pointer: str) -> str:
        """The local reference that stands for another file's object; its content is moved in once."""
        section = self._sections.get(kind.name)
        if section is None:
            raise SpecRefused(EXTERNAL_REF, f"a {kind.name} cannot live in another file", pointer=pointer)
        key = (section, path, fragment)
        if key not in self._placed:
            self.target(path, fragment, pointer)
            stem = posixpath.splitext(posixpath.basename(path))[0]
            name = self._names[section].take(from_tokens(tokens_of(fragment) or [stem]))
            prefix = f"#/{section}/" if self._v2 else f"#/components/{section}/"
            self._placed[key] = prefix + name
            self.origin.moved[self._placed[key][1:]] = (path, fragment)
            self._waiting.append((path, fragment, kind.name, name))
        return self._placed[key]

    def inline(self, path: str, fragment: str, pointer: str) -> Node:
        """A path item of another file, built in place: there is no component section for them in 3.0."""
        place = (path, fragment)
        if place in self._inlining or len(self._inlining) >= MAX_INLINED:
            raise SpecRefused(REF_UNRESOLVED, "path items refer to each other in a circle or chain", pointer=pointer)
        self._inlining.add(place)
        built: Node = _FileRebuilder(self, path).build(self.target(path, fragment, pointer), "pathItem", fragment)
        self._inlining.discard(place)
        return built

    def _existing(self, section: str) -> list[str]:
        home: Any = self._contents[self.root]
        if not self._v2:
            home = home.get("components")
        entries = home.get(section) if isinstance(home, dict) else None
        return list(entries) if isinstance(entries, dict) else []


class _FileRebuilder(Rebuilder):
    """Rebuilds a part of one file; its references are relative to that file."""

    def __init__(self, bundler: _Bundler, path: str) -> None:
        super().__init__(bundler.grammar)
        self._bundler = bundler
        self._path = path

    def reference(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        try:
            return self._followed(node, kind, pointer)
        except SpecRefused as refused:
            refused.file = refused.file or self._path  # the pointer is one of this file
            raise

    def _followed(self, node: Node, kind: Kind, pointer: str) -> Node | None:
        value = node["$ref"]
        if not isinstance(value, str) or (self._path == self._bundler.root and value.startswith("#")):
            return None if "$ref" in kind.fields else node
        path, fragment = self._split(value, pointer)
        if path == self._bundler.root and kind.name != "pathItem":
            return self._with_siblings(node, kind, pointer, f"#{fragment}")
        if kind.name == "pathItem":
            if self._path == self._bundler.root:
                self._bundler.origin.moved[pointer] = (path, fragment)
            siblings = self.fields({key: node[key] for key in node if key != "$ref"}, kind, pointer)
            return {**self._bundler.inline(path, fragment, pointer), **siblings}
        return self._with_siblings(node, kind, pointer, self._bundler.place(path, fragment, kind, pointer))

    def _with_siblings(self, node: Node, kind: Kind, pointer: str, local: str) -> Node:
        if len(node) == 1 or "$ref" not in kind.fields:
            return {**node, "$ref": local}
        return {**self.fields(node, kind, pointer), "$ref": local}

    def _split(self, value: str, pointer: str) -> tuple[str, str]:
        """The file inside the API folder and the fragment a reference names."""
        path, _, fragment = value.partition("#")
        path, fragment = unquote(path), unquote(fragment)
        if fragment and not fragment.startswith("/"):
            raise SpecRefused(EXTERNAL_REF, f"{value!r} names an anchor of another file", pointer=pointer)
        if not path:
            return self._path, fragment
        if ":" in path or "\\" in path or "?" in path or "\0" in path or path.startswith("/"):
            raise SpecRefused(EXTERNAL_REF, f"{value!r} is outside this API's folder", pointer=pointer)
        if ".." in path.split("/"):
            raise SpecRefused(EXTERNAL_REF, f"{value!r} leaves its folder with `..`", pointer=pointer)
        return posixpath.normpath(posixpath.join(posixpath.dirname(self._path), path)), fragment
