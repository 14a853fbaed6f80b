"""Small documents to put one construct into, and the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from fastapi import FastAPI, Header
from pydantic import BaseModel, Field

from stoa.openapi import Document, convert, parse

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "openapi"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`real_file` runs a test once for each document of the shared data."""
    if "real_file" not in metafunc.fixturenames:
        return
    files = sorted(DATA.glob("*.json"))
    missing = pytest.param(None, marks=pytest.mark.skip(reason="shared/data/openapi is not there"))
    metafunc.parametrize("real_file", files or [missing], ids=[file.stem for file in files] or ["absent"])


@pytest.fixture
def document() -> Callable[..., Document]:
    """A 3.1 document with one operation; keyword arguments replace its root fields."""

    def build(**fields: Any) -> Document:
        content: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": "Orders", "version": "1"},
            "paths": {"/orders": {"get": {"responses": {"200": {"description": "ok"}}}}},
        }
        content.update(fields)
        return parse(json.dumps(content).encode(), name="openapi.json")

    return build


@pytest.fixture
def converted_schema(document: Callable[..., Document]) -> Callable[[Any], tuple[Any, dict[str, Any]]]:
    """Converts one schema; returns what became of it and the report."""

    def build(schema: Any) -> tuple[Any, dict[str, Any]]:
        other = {"type": "object", "properties": {"x": {"type": "string"}}}
        result = convert(document(components={"schemas": {"S": schema, "Other": other}}))
        return result.document.content["components"]["schemas"]["S"], result.report.to_dict()

    return build


class OrderLine(BaseModel):
    sku: str = Field(examples=["a-1", "b-2"])
    size: tuple[int, str]
    kind: str | None = None
    parent: OrderLine | None = None


@pytest.fixture
def fastapi_document() -> bytes:
    """What FastAPI generates for a small service, as JSON."""
    app = FastAPI()

    @app.post("/lines")
    def add(line: OrderLine, x_trace: str | None = Header(None)) -> list[OrderLine]:
        raise NotImplementedError

    @app.get("/counts")
    def counts(sizes: Literal["small", "large"] = "small") -> dict[str, int | str | None]:
        raise NotImplementedError

    return json.dumps(app.openapi()).encode()
