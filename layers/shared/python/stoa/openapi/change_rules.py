"""How bad each kind of change is to those who call an API. Pure data.

`request` rules are about what callers send, `response` rules about what they get: what is allowed in a request may only
grow, in a response only shrink. What cannot be decided, or is no matter of the messages themselves, is a warning.
tests/openapi/shop.py holds an edit for most of them, with oasdiff's judgement.
"""

from __future__ import annotations

from typing import Literal

Severity = Literal["breaking", "warning", "safe"]

_BREAKING = """
path-removed operation-removed
security-tightened
request-parameter-added-required request-parameter-became-required request-parameter-serialization-changed
request-body-added-required request-body-became-required request-body-removed request-media-type-removed
response-success-status-removed response-media-type-removed response-required-header-removed
request-type-changed request-type-narrowed request-enum-narrowed request-format-narrowed request-limit-narrowed
request-unique-narrowed request-additional-narrowed request-alternative-narrowed request-discriminator-changed
request-pattern-narrowed request-multiple-narrowed
request-property-added-required request-property-became-required
response-type-changed response-type-widened response-enum-widened response-format-widened response-limit-widened
response-alternative-widened
response-discriminator-changed response-required-property-removed response-property-became-optional
"""
_WARNING = """
operation-removed-after-deprecation operation-id-changed
request-parameter-removed request-default-changed
response-optional-header-removed response-header-became-optional
request-pattern-changed request-not-changed request-property-removed
response-pattern-widened response-pattern-changed response-not-changed response-unique-widened
response-additional-widened response-optional-property-removed
"""
_SAFE = """
operation-added operation-deprecated security-relaxed
request-parameter-added-optional request-parameter-became-optional
request-body-added-optional request-body-became-optional request-media-type-added
response-status-added response-status-removed response-media-type-added response-header-added
response-header-became-required
request-type-widened request-enum-widened request-format-widened request-limit-widened request-unique-widened
request-additional-widened request-alternative-widened request-multiple-widened request-pattern-widened
request-property-added-optional request-property-became-optional
response-type-narrowed response-enum-narrowed response-format-narrowed response-limit-narrowed
response-pattern-narrowed response-unique-narrowed response-additional-narrowed response-alternative-narrowed
response-multiple-narrowed response-multiple-widened response-default-changed
response-property-added response-property-became-required
"""
RULES: dict[str, Severity] = {
    **dict.fromkeys(_BREAKING.split(), "breaking"),
    **dict.fromkeys(_WARNING.split(), "warning"),
    **dict.fromkeys(_SAFE.split(), "safe"),
}
ORDER: tuple[Severity, ...] = ("breaking", "warning", "safe")
