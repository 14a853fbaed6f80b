"""An HTTP function for the test of the platform."""

from tests.runtime.functions_under_test import http as handler

__all__ = ["handler"]
