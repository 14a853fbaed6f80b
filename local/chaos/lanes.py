"""One API in dev: what Git wants of it, what was asked for, and what the gateway may serve. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from local.chaos.evidence import BROKEN, Content, Evidence, Request

UNKNOWN_COMMIT = f"{BROKEN}unknown commit"
NO_FILES = f"{BROKEN}no files"


@dataclass(frozen=True)
class Lane:
    """`rows` are its requests by generation, each with the place of its commit in Git and what it wants served.

    `touched` is the place of the last commit that changed the API in Git, `desired` what Git holds now.
    """

    api: str
    rows: tuple[tuple[Request, int, Content], ...]
    touched: int
    desired: Content
    cancelled: frozenset[str]
    served: frozenset[str]


def wanted(seen: Evidence, request: Request) -> Content:
    """What the gateway serves when the request succeeds. A commit that GitLab does not have wants nothing valid."""
    if request.action == "undeploy":
        return None
    found = next((commit for commit in seen.history if commit.sha == request.commit), None)
    content = found.apis.get(request.api) if found else UNKNOWN_COMMIT
    return NO_FILES if content is None else content


def is_valid(content: Content) -> bool:
    return content is None or not content.startswith(BROKEN)


def lane(seen: Evidence, api: str) -> Lane:
    places = {commit.sha: place for place, commit in enumerate(seen.history)}
    rows = sorted((r for r in seen.requests if r.api == api and r.environment == "dev"), key=lambda r: r.generation)
    contents = [commit.apis.get(api) for commit in seen.history]
    changes = [place for place, content in enumerate(contents) if content != ([None, *contents])[place]]
    return Lane(
        api=api,
        rows=tuple((row, places.get(row.commit, -1), wanted(seen, row)) for row in rows),
        touched=changes[-1] if changes else -1,
        desired=contents[-1] if contents else None,
        cancelled=seen.cancelled,
        served=seen.served.get(api, frozenset()),
    )


def covered(lane: Lane) -> Iterator[str]:
    """Whether the newest change in Git was asked for. An API that came and went between two pushes that were seen needs
    nothing: it was never there, or what was asked for last removed it."""
    if lane.touched < 0 or any(place >= lane.touched for _, place, _ in lane.rows):
        return
    if lane.desired is not None or (lane.rows and lane.rows[-1][0].action != "undeploy"):
        yield f"the newest change of {lane.api} in Git ({lane.desired or 'removed'}) was never asked for"


def in_order(lane: Lane) -> Iterator[str]:
    """Each generation once, and the newer commit has the newer one, but where somebody rolled back. One that somebody
    cancelled is wanted no more: an older one that is lost after that is tried again."""
    rolled_back: set[str] = set()
    newest, before = -1, None
    for row, place, content in lane.rows:
        if before is not None and row.generation == before.generation:
            yield f"{row.id} and {before.id} are both #{row.generation} of {lane.api}"
        before = row
        if row.trigger == "rollback":
            rolled_back.add(row.commit)
        elif is_valid(content) and not (row.trigger == "retry" and row.commit in rolled_back):
            if place < newest:
                yield f"{row.id} (#{row.generation} of {lane.api}) asks for an older commit than one before it"
            newest = newest if row.id in lane.cancelled else max(newest, place)


def brought_back(lane: Lane) -> Iterator[str]:
    """What Git has removed nobody may roll back to, until Git has files of it again."""
    removed = ""
    for row, _, content in lane.rows:
        if row.trigger == "rollback" and removed:
            yield f"{row.id} (#{row.generation}) brought {lane.api} back, which {removed} had removed"
        elif row.action == "undeploy":
            removed = row.id
        elif row.trigger != "rollback" and content != NO_FILES:
            removed = ""


def serves(lane: Lane) -> Iterator[tuple[Literal["lost", "misordered"], str]]:
    """Whether the gateway serves the newest valid request, and nothing else."""
    allowed, complaint = _allowed(lane)
    if complaint:
        yield "lost", complaint
    if allowed is None or any(lane.served == ({path} if path else set()) for path in allowed):
        return
    should = " or ".join(sorted(path or "nothing" for path in allowed))
    does = ", ".join(sorted(lane.served)) or "nothing"
    yield "misordered" if lane.served else "lost", f"the gateway serves {does} of {lane.api}, and should {should}"


def _allowed(lane: Lane) -> tuple[set[Content] | None, str | None]:
    """What may be served; None when nobody can tell. And the complaint about the newest valid request.

    A job that was cancelled while it ran may have come far or not; what is cancelled ends the trying again of an
    older request, too.
    """
    allowed: set[Content] = set()
    for row, _, content in reversed(lane.rows):
        if row.state == "succeeded":
            return {*allowed, content}, None
        if row.state == "cancelled" or row.id in lane.cancelled:
            if row.state == "cancelled" and row.id not in lane.cancelled:
                return None, f"{row.id} (#{row.generation} of {lane.api}) was cancelled by nobody"
            allowed.add(content)
        elif row.state == "superseded":
            if row is lane.rows[-1][0]:
                return (
                    None,
                    f"{row.id} (#{row.generation} of {lane.api}) was superseded, and nothing newer was asked for",
                )
        elif is_valid(content):
            said = f"{row.id} (#{row.generation} of {lane.api}) is {row.state} ({row.code}) though it was valid"
            return None, None if allowed else f"{said}, and nothing newer took its place"
    return {*allowed, None}, None
