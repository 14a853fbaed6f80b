"""What the emulator is started with, and the two things that can be changed while it runs.

`Variants` are the places where gateways and their documentation contradict each other;
`Timing` is how long a change of state takes. Both are set over `PUT /_emulator/variants` and `PUT /_emulator/timing`,
checked by type, and kept over a restart.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Config:
    """`user` and `password` are the Basic credentials; `activation_ms` and `import_ms` override the kept timing."""

    state: Path
    user: str
    password: str
    activation_ms: int | None = None
    import_ms: int | None = None


@dataclass(frozen=True)
class Timing:
    """Milliseconds; `health_lead_ms` is how long after a start /health is green and no API is served yet.

    `stale_read_ms`: for so long after an API was created every second read of it by id lands on a node that does not
    know it yet.
    """

    activation_ms: int = 0
    import_ms: int = 0
    health_lead_ms: int = 0
    stale_read_ms: int = 0


@dataclass(frozen=True)
class Variants:
    created_status: int = 201
    duplicate_name: int = 400
    unknown_api_id: int = 401
    repeated_state: int = 500
    put_active: int = 400
    post_association: str = "replace"
    association_read: str = "both"
    delete_association: int = 405
    key_regeneration: int = 201
    strategies_list: str = "bare"
    strategy_secret: str = "masked"  # noqa: S105 - a way of showing, no secret
    strategy_jwt_type: str = "JWT"
    alias_body: str = "wrapped"
    search_keys: str = "lower"
    archive_field: str = "both"
    overwrite_star_aliases: bool = False
    name_characters: str = "strict"
    empty_apis: str = "list"
    scope_audience: str = "empty"
    fault_stage: str = "responseFaultProcessing"
    missing_accept: str = "html"
    throttle_status: int = 503
    boolean_additional_properties: int = 400


ALLOWED: dict[str, tuple[Any, ...]] = {
    "created_status": (201, 200),
    "duplicate_name": (400, 409),
    "unknown_api_id": (401, 404),
    "repeated_state": (500, 400),
    "put_active": (400, 200),
    "post_association": ("replace", "add"),
    "association_read": ("both", "apiIDs"),
    "delete_association": (405, 204),
    "key_regeneration": (201, 200, 404),
    "strategies_list": ("bare", "wrapped"),
    "strategy_secret": ("masked", "clear"),
    "strategy_jwt_type": ("JWT", "OPENID_CONNECT_RSA"),
    "alias_body": ("wrapped", "bare"),
    "search_keys": ("lower", "upper"),
    "archive_field": ("both", "zipFile", "file"),
    "overwrite_star_aliases": (False, True),
    "name_characters": ("strict", "blanks"),
    "empty_apis": ("list", "not_found_item"),
    "scope_audience": ("empty", "name"),
    "fault_stage": ("responseFaultProcessing", "errorHandling"),
    "missing_accept": ("html", "xml"),
    "throttle_status": (503, 429),
    "boolean_additional_properties": (400, 201),
}


def changed_variants(current: Variants, change: Any) -> Variants:
    """`current` with the named variants replaced. Raises ValueError with a sentence on an unknown name or value."""
    if not isinstance(change, dict):
        raise ValueError("variants are one JSON object")
    for name, value in change.items():
        if name not in ALLOWED:
            raise ValueError(f"unknown variant {name}; there are {', '.join(sorted(ALLOWED))}")
        if value not in ALLOWED[name]:
            raise ValueError(f"{name} is one of {', '.join(map(str, ALLOWED[name]))}")
    return Variants(**{**asdict(current), **change})


def changed_timing(current: Timing, change: Any) -> Timing:
    """`current` with the named times replaced. Raises ValueError with a sentence on a bad one."""
    names = {field.name for field in fields(Timing)}
    if not isinstance(change, dict) or not change.keys() <= names:
        raise ValueError(f"timing is one JSON object of {', '.join(sorted(names))}")
    if any(type(value) is not int or value < 0 for value in change.values()):
        raise ValueError("times are whole milliseconds, 0 or more")
    return Timing(**{**asdict(current), **change})
