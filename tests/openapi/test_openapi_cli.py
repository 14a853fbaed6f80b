"""`stoa openapi convert`, as a stranger uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.cli.openapi import app

SPEC = """openapi: 3.1.0
info: {title: Orders, version: '1', summary: short}
paths:
  /orders:
    get:
      responses:
        200:
          description: ok
          content: {application/json: {schema: {$ref: 'schemas/order.yaml'}}}
"""
runner = CliRunner()


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "order.yaml").write_text("type: [string, 'null']\n")
    (tmp_path / "unrelated.yaml").write_bytes(b"\xff" * 10)
    path = tmp_path / "openapi.yaml"
    path.write_text(SPEC)
    return path


def test_writes_the_document_to_standard_output(spec: Path) -> None:
    result = runner.invoke(app, ["convert", str(spec)])
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert content["openapi"] == "3.0.3"
    assert content["components"]["schemas"]["order"] == {"type": "string", "nullable": True}
    assert "1 things" not in result.stdout


def test_writes_the_document_and_the_report_to_files(spec: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.json", tmp_path / "report.json"
    arguments = [
        "convert",
        str(spec),
        "-o",
        str(out),
        "--report",
        str(report),
        "--gateway",
        "--server-url",
        "https://a.example",
    ]
    result = runner.invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(out.read_text())["servers"] == [{"url": "https://a.example"}]
    entries = json.loads(report.read_text())["entries"]
    assert [(entry["construct"], entry.get("stage")) for entry in entries] == [
        ("info.summary", None),
        ("servers", "gateway"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openapi: 3.1.0\ninfo: [\n", "line 3"),
        ("openapi: 3.9.0\n", "SPEC_VERSION_UNSUPPORTED"),
        (SPEC.replace("schemas/order.yaml", "../secret.yaml"), "SPEC_EXTERNAL_REF"),
    ],
)
def test_a_bad_file_ends_with_one_sentence_and_exit_code_2(spec: Path, text: str, said: str) -> None:
    spec.write_text(text)
    result = runner.invoke(app, ["convert", str(spec), "-o", str(spec.parent / "out.json")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (spec.parent / "out.json").exists()


def test_a_link_out_of_the_folder_is_not_followed(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.yaml"
    secret.write_text("type: string\n")
    (spec.parent / "schemas" / "order.yaml").unlink()
    (spec.parent / "schemas" / "order.yaml").symlink_to(secret)
    result = runner.invoke(app, ["convert", str(spec)])
    assert result.exit_code == 2
    assert "SPEC_EXTERNAL_REF" in result.stderr


def test_a_link_to_itself_is_not_followed_either(spec: Path) -> None:
    (spec.parent / "schemas" / "order.yaml").unlink()
    (spec.parent / "schemas" / "order.yaml").symlink_to("order.yaml")
    result = runner.invoke(app, ["convert", str(spec)])
    assert (result.exit_code, "SPEC_EXTERNAL_REF" in result.stderr) == (2, True)


def test_a_missing_file_and_a_bad_server_url_are_said_plainly(spec: Path) -> None:
    missing = runner.invoke(app, ["convert", "/nowhere/openapi.yaml"])
    assert (missing.exit_code, "No such file" in missing.stderr) == (2, True)
    bad = runner.invoke(app, ["convert", str(spec), "--gateway", "--server-url", "orders"])
    assert (bad.exit_code, "absolute" in bad.stderr) == (2, True)


def test_help_names_the_options_and_the_exit_code() -> None:
    result = runner.invoke(app, ["convert", "--help"])
    assert result.exit_code == 0
    for word in ("FILE", "--report", "exit code is 2", "nothing is"):
        assert word in " ".join(result.stdout.split())


HEAD = '{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 20, "not UTF-8"),
        (HEAD.encode("utf-16"), "not UTF-8"),
        (b" " * 6_000_000, "larger than 5 MB"),
        (b'{"a": ' + b"[" * 9_000 + b"]" * 9_000 + b"}", "nested more than 100"),
        (b'{"a": 1,\n "b": NaN}', "NaN is not a JSON value (line 2)"),
        (b'{"a": {\n"b": 1,\n"b": 2}}', "`b` appears twice (line 3)"),
        (b"a: &a [x]\nb: &b [" + b"*a, " * 9_999 + b"]\nc: [*b, *b]\n", "aliases expand"),
        (f'{HEAD}, "paths": {{"/a": {{"$ref": "#/paths/~1a"}}}}}}'.encode(), "in a circle"),
        (f'{HEAD}, "components": {{"schemas": {{"S": {{"$ref": "#/components/schemas/S"}}}}}}}}'.encode(), "to itself"),
        (f'{HEAD}, "components": {{"schemas": {{"S": {{"$ref": "http://a/b"}}}}}}}}'.encode(), "outside this API"),
    ],
)
def test_whatever_the_file_holds_it_ends_with_one_sentence(spec: Path, data: bytes, said: str) -> None:
    spec.write_bytes(data)
    result = runner.invoke(app, ["convert", str(spec)])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("place", ["missing.yaml", "schemas", "loop"])
def test_what_is_no_readable_file_is_named(spec: Path, place: str) -> None:
    (spec.parent / "loop").symlink_to("loop")
    result = runner.invoke(app, ["convert", str(spec.parent / place)])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(str(spec.parent / place) + ": ")


@pytest.mark.parametrize("place", ["nowhere/report.json", "schemas"])
def test_when_one_file_cannot_be_written_none_is(spec: Path, place: str) -> None:
    out = spec.parent / "out.json"
    out.write_text("as before")
    result = runner.invoke(app, ["convert", str(spec), "-o", str(out), "--report", str(spec.parent / place)])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert str(spec.parent / place) in result.stderr
    assert out.read_text() == "as before"
    assert not list(spec.parent.glob(".*"))


def test_a_file_that_is_there_is_replaced_and_a_link_stays_one(spec: Path) -> None:
    real, link = spec.parent / "real.json", spec.parent / "link.json"
    real.write_text("old and longer than nothing")
    link.symlink_to(real)
    assert runner.invoke(app, ["convert", str(spec), "-o", str(link)]).exit_code == 0
    assert link.is_symlink()
    assert json.loads(real.read_text())["openapi"] == "3.0.3"


def test_a_full_device_is_said_and_not_replaced(spec: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    result = runner.invoke(app, ["convert", str(spec), "-o", str(full)])
    assert (result.exit_code, result.stderr) == (2, "/dev/full: No space left on device\n")
    assert full.is_char_device()
