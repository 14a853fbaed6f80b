"""Follows deployments and pushes through our own API, and says each change once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.markup import escape

from local.control_plane import ControlPlane

Tell = Callable[[str], None]

COLOURS = {"succeeded": "green", "failed": "red", "superseded": "yellow", "cancelled": "yellow"}


class Watch:
    """`look` asks once and tells what is new since the last look; the first look tells nothing old."""

    def __init__(self, control_plane: ControlPlane, tell: Tell) -> None:
        self._control_plane = control_plane
        self._tell = tell
        self._told: set[str] = set()
        self._done: set[str] = set()
        self._look(lambda _line: None)

    def look(self) -> None:
        """Raises requests.RequestException when the API does not answer."""
        self._look(self._tell)

    def _look(self, tell: Tell) -> None:
        for push in reversed(self._control_plane.pushes()):
            self._once(f"push {push['id']} {push['state']}", _push_line(push), tell)
        for one in reversed(self._control_plane.deployments()):
            if one["id"] in self._done:
                continue
            read = self._control_plane.deployment(one["id"])
            name = f"{read['tenant']}/{read['api']} {read['environment']} #{read['generation']}"
            for step in read["steps"]:
                text = f"{name} {step['name']}: {step['status'].replace('_', ' ')} {step['detail'] or ''}".rstrip()
                self._once(f"{read['id']} {step['name']} {step['status']}", escape(text), tell)
            if read["finished_at"]:
                self._once(read["id"], f"{name} {_end(read)}", tell)
                self._done.add(one["id"])

    def _once(self, mark: str, line: str, tell: Tell) -> None:
        if mark not in self._told:
            self._told.add(mark)
            tell(line)


def seconds(since: str, until: str) -> float:
    """Between two ISO 8601 times."""
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _end(read: dict[str, Any]) -> str:
    took = seconds(read["requested_at"], read["finished_at"])
    error = read["error"]
    why = escape(f": {sentence(error)}") if error else ""
    colour = COLOURS[read["state"]]
    return f"[{colour}]{read['state']}[/{colour}] after {took:.1f} s{why}"


def sentence(error: dict[str, Any]) -> str:
    """The error of a deployment on one line: code, detail, file and line, what to do next."""
    line = f":{error['line']}" if error.get("line") else ""
    place = f" ({error['file']}{line})" if error.get("file") else ""
    return f"{error['code']}: {error['detail']}{place}{'; ' + error['hint'] if error.get('hint') else ''}"


def _push_line(push: dict[str, Any]) -> str:
    left_out = "; ".join(f"{o['code']}: {o['detail']}" for o in push["outcome"] or () if "code" in o)
    who = f"push {push['after_sha'][:8]} by {push['pusher']}"
    return escape(f"{who}: {push['state']}{' - ' + left_out if left_out else ''}")
