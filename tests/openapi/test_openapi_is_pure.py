"""The package imports nothing but the standard library, PyYAML and itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "layers" / "shared" / "python" / "stoa" / "openapi"


def _imported(source: str) -> set[str]:
    tree = ast.parse(source)
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_imports_only_the_standard_library_pyyaml_and_itself() -> None:
    imported = set().union(*(_imported(file.read_text()) for file in PACKAGE.glob("*.py")))
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if name != "yaml" and not name.startswith("stoa.openapi")} == set()


def test_reaches_for_no_file_clock_or_network() -> None:
    imported = set().union(*(_imported(file.read_text()) for file in PACKAGE.glob("*.py")))
    assert not imported & {"os", "pathlib", "socket", "subprocess", "time", "datetime", "urllib.request", "http.client"}
