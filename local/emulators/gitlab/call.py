"""One API request as a handler sees it: path, parameters, the project it is about."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from local.emulators.gitlab.answers import Json, answer, bad_request, keyset, not_found, paged, refuse
from local.emulators.gitlab.instance import Instance, Project
from local.emulators.gitlab.repository import Repository

TRUE, FALSE = frozenset({"true", "1", "yes", "on", "t"}), frozenset({"false", "0", "no", "off", "f", ""})


@dataclass
class Call:
    """`args` are the decoded parts of the path, `query` and `body` the parameters; the body wins.

    `member` is false for the user who is a member of no project.
    """

    instance: Instance
    method: str
    url: str
    args: dict[str, str]
    query: Json
    body: Json
    member: bool = True

    @cached_property
    def params(self) -> Json:
        return {**self.query, **self.body}

    @cached_property
    def project(self) -> Project:
        """By number or full path. Raises Refusal 404, also for one that this user may not see."""
        found = self.instance.project(self.args["id"])
        if found is None or not self.sees(found):
            raise not_found("Project")
        return found

    @property
    def repository(self) -> Repository:
        return self.project.repository

    def sees(self, project: Project) -> bool:
        return self.member or not project.private

    def maintain(self) -> Project:
        """The project, for something that only its maintainers may do. Raises Refusal 404 or 403."""
        project = self.project
        if not self.member:
            raise refuse(403, "403 Forbidden")
        return project

    def need(self, *names: str) -> None:
        """Raises Refusal 400 naming every parameter that is missing or blank."""
        wrong = [f"{name} is missing" for name in names if self.params.get(name) is None]
        wrong += [f"{name} is empty" for name in names if self.params.get(name) in ("", [])]
        if wrong:
            raise bad_request(", ".join(wrong))

    def text(self, name: str, default: str = "") -> str:
        given = self.params.get(name)
        if isinstance(given, dict | list):
            raise bad_request(f"{name} is invalid")
        return default if given is None else str(given)

    def flag(self, name: str, default: bool = False) -> bool:
        given = self.params.get(name)
        text = str(default if given is None else given).lower()
        if text not in TRUE | FALSE:
            raise bad_request(f"{name} is invalid")
        return text in TRUE

    def choice(self, name: str, values: tuple[str, ...]) -> str:
        """One of the values, the first of them when nothing is given."""
        given = self.text(name, values[0])
        if given not in values:
            raise bad_request(f"{name} does not have a valid value")
        return given

    def number(self, name: str) -> int:
        """A number in the path; something else finds nothing."""
        try:
            return int(self.args[name])
        except ValueError as error:
            raise bad_request(f"{name} is invalid") from error

    def commit(self, ref: str, what: str = "Commit") -> str:
        """The id of the commit that a ref names in this project. Raises Refusal 404."""
        (found,) = self.repository.resolve(ref)
        if found is None:
            raise not_found(what)
        return found

    def listed(
        self,
        rows: list[Any],
        *,
        shown: Callable[[Any], Any] = lambda row: row,
        key: Callable[[Any], str] | None = None,
    ) -> Response:
        """One page; `shown` renders a row, and only those of the page. With `key` keyset paging works too."""
        if key is not None and self.query.get("pagination") == "keyset":
            page, headers = keyset(rows, self.query, self.url, key)
        else:
            page, headers = paged(rows, self.query, self.url)
        return answer([shown(row) for row in page], headers=headers)


Handler = Callable[[Call], Response]


def parameters(content_type: str, raw: bytes) -> Json:
    """The body as parameters: JSON or a form. Raises Refusal 400."""
    if not raw:
        return {}
    if content_type.startswith("application/json"):
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise bad_request("Invalid json body") from error
        if not isinstance(body, dict):
            raise bad_request("The request body must be an object")
        return body
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
    from_type = content_type.partition(";")[0] or "none"
    raise bad_request(f"The provided content-type '{from_type}' is not supported.")
