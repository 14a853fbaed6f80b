"""A function with an event source and a schedule for the test of the platform."""

from typing import Any

from tests.runtime.functions_under_test import records, tick


def handler(event: Any, context: Any) -> Any:
    return records(event, context) if "records" in event else tick(event, context)
