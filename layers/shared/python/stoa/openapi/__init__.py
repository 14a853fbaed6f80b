"""OpenAPI intake: read, check, convert 3.1 to 3.0.3, and shape for the gateway.

Pure functions over documents: nothing here reads a file, a clock or the network, and nothing of the
`stoa` package outside this folder is imported (docs/adr/0003).
"""

from stoa.openapi.bundle import MAX_BYTES
from stoa.openapi.compare import Comparison, SpecChange, compare
from stoa.openapi.convert import convert
from stoa.openapi.document import Document, digest, to_bytes
from stoa.openapi.gateway import gateway_profile
from stoa.openapi.inspection import Finding
from stoa.openapi.intake import parse
from stoa.openapi.lint import lint
from stoa.openapi.operations import operations_text
from stoa.openapi.refusal import SpecRefused
from stoa.openapi.report import CONVERTER_VERSION, Converted, Entry, Report

__all__ = [
    "CONVERTER_VERSION",
    "MAX_BYTES",
    "Comparison",
    "Converted",
    "Document",
    "Entry",
    "Finding",
    "Report",
    "SpecChange",
    "SpecRefused",
    "compare",
    "convert",
    "digest",
    "gateway_profile",
    "lint",
    "operations_text",
    "parse",
    "to_bytes",
]
