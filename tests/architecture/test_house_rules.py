"""The rules of the house that no linter knows: sizes, names, and that wiring, folders and docs agree."""

import ast
from pathlib import Path

from cdk.wiring import FUNCTIONS, TOPICS, topics_with_dlq
from local.contracts import VALUES, asyncapi, contracts

ROOT = Path(__file__).resolve().parents[2]
SOURCE = sorted(
    path
    for folder in ("layers", "functions", "cdk", "local", "playbooks", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
DRAWERS = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "shared_code"}


def test_no_file_is_longer_than_300_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCE if (n := len(p.read_text().splitlines())) > 300}
    assert long == {}


def test_no_function_is_longer_than_40_lines() -> None:
    assert [where for path in SOURCE for where in long_functions(path, 40)] == []


def test_no_handler_is_longer_than_40_lines() -> None:
    handlers = sorted((ROOT / "functions").glob("*/handler.py"))
    assert [str(p) for p in handlers if len(p.read_text().splitlines()) > 40] == []


def test_no_file_is_a_drawer() -> None:
    assert [str(p) for p in SOURCE if p.stem in DRAWERS or p.parent.name in DRAWERS] == []


def test_wiring_names_exactly_the_function_folders() -> None:
    folders = {p.parent.name for p in (ROOT / "functions").glob("*/handler.py")}
    assert folders == {f.name for f in FUNCTIONS}


def test_functions_read_and_write_topics_that_exist() -> None:
    topics = {t.name for t in TOPICS}
    assert {s.topic for f in FUNCTIONS for s in f.sources} | {t for f in FUNCTIONS for t in f.produces} <= topics
    assert set(VALUES) == topics
    assert {t for f in FUNCTIONS for t in f.writes} <= {t.name for t in topics_with_dlq()}


def test_who_reads_or_writes_topics_may() -> None:
    """A source counts tries in the database and sets records aside; an event waits in the database's outbox."""
    needed = {"database", "kafka:write"}
    assert {f.name: needed - set(f.grants) for f in FUNCTIONS if f.writes and not needed <= set(f.grants)} == {}


def test_every_topic_is_on_the_map_and_in_the_event_contract() -> None:
    page, channels = (ROOT / "docs/flows.md").read_text(), asyncapi()["channels"]
    assert {t.name for t in topics_with_dlq()} == set(channels)
    assert [name for name in channels if f"`{name}`" not in page] == []


def test_every_function_is_on_the_map() -> None:
    page = (ROOT / "docs/flows.md").read_text()
    assert [f.name for f in FUNCTIONS if f"`{f.name}`" not in page] == []


def test_generated_contracts_are_fresh() -> None:
    stale = [str(p.relative_to(ROOT)) for p, text in contracts().items() if not p.exists() or p.read_text() != text]
    assert stale == []


def test_every_flow_says_what_starts_it() -> None:
    wrong = []
    for path in (ROOT / "layers/shared/python/stoa").glob("*/flows.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                first = (ast.get_docstring(node) or "").split("\n")[0]
                if " -> " not in first:
                    wrong.append(f"{path.parent.name}.{node.name}: {first}")
    assert wrong == []


def long_functions(path: Path, limit: int) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > limit:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}")
    return found
