"""What was made of the events for those who read: status, messages, syncs, search, archive. Pure; knows nothing of the
product's code."""

from collections import Counter
from collections.abc import Iterator, Mapping

from local.chaos.evidence import RESULT_OF, Evidence, Memory, Notice, People, Rollouts, Sin, Told

# `held` waits for the channel's next digest, which goes when the flood is over
WENT = frozenset({"sent", "held", "digested"})

Lane = tuple[str, str]


def status_shown(seen: Evidence) -> Iterator[tuple[Sin, str]]:
    """api_status has the newest end of each lane, and the newest success of it."""
    shown = {
        (each.api, each.environment): _line(each.deployment_id, each.status, each.serving) for each in seen.statuses
    }
    for (api, environment), should in _ends(seen).items():
        does = shown.pop((api, environment), None)
        if does is None:
            yield "lost", f"api_status says nothing of {api} in {environment}, and should {should}"
        elif does != should:
            yield "misordered", f"api_status says of {api} in {environment} {does}, and should {should}"
    for api, environment in shown:
        yield "doubled", f"api_status tells of {api} in {environment}, which nobody asked for"


def _ends(seen: Evidence) -> Mapping[Lane, str]:
    lines: dict[Lane, str] = {}
    serving: dict[Lane, str | None] = {}
    for request in sorted(seen.requests, key=lambda request: request.generation):
        lane = request.api, request.environment
        if request.state == "succeeded":
            serving[lane] = request.id if request.action == "deploy" else None
        if request.state in RESULT_OF:
            lines[lane] = _line(request.id, RESULT_OF[request.state], serving.get(lane))
    return lines


def _line(deployment_id: str, status: str, serving: str | None) -> str:
    return f"{deployment_id} {status}, serving {serving or 'nothing'}"


def people_told(people: People, results: tuple[Told, ...]) -> Iterator[tuple[Sin, str]]:
    """Each result once to each channel that wants it. A mail may come twice only where its sending was begun twice:
    a process died, or an answer was lost."""
    told = Counter((notice.caused_by, notice.channel) for notice in people.notices)
    for (event_id, channel), times in told.items():
        if times > 1:
            yield "doubled", f"{channel} was told of the result {event_id} {times} times"
    for result in results:
        for channel, wanted in people.channels.items():
            if result.status in wanted and not told[result.event_id, channel]:
                yield "lost", f"{channel} was not told of the result {result.event_id} ({result.status})"
    for notice in people.notices:
        yield from _went(notice)


def _went(notice: Notice) -> Iterator[tuple[Sin, str]]:
    said = f"{notice.event_id} to {notice.channel}"
    if notice.state not in WENT:
        yield "lost", f"{said} never went: it is {notice.state or 'unknown'}"
    if notice.state == "sent" and notice.mails == 0:
        yield "lost", f"{said} is sent, and no mail of it came"
    if notice.mails is not None and notice.mails > notice.tries:
        yield "doubled", f"{said} was begun {notice.tries} times, and {notice.mails} mails came"


def rolled_out(rollouts: Rollouts) -> Iterator[tuple[Sin, str]]:
    """Argo CD was asked for the newest event of each API; when its sync ends nobody waits for here."""
    for api, newest in rollouts.newest.items():
        generation, state = rollouts.rows.get(api, (newest, "waiting"))
        if generation != newest:
            yield "misordered", f"Argo CD was asked for #{generation} of {api}, and should #{newest}"
        elif state == "waiting":
            yield "lost", f"Argo CD was not asked for #{newest} of {api}"


def remembered(memory: Memory) -> Iterator[tuple[Sin, str]]:
    """The archive holds every offset once, in order; search every event id once."""
    for (topic, partition), (first, end) in memory.ends.items():
        found = memory.archived.get((topic, partition), ())
        where = f"the archive of {topic}/{partition}"
        if missing := set(range(first, end)) - set(found):
            yield "lost", f"{where} lacks {len(missing)} of {end - first} offsets, first {min(missing)}"
        if twice := [offset for offset, times in Counter(found).items() if times > 1]:
            yield "doubled", f"{where} holds {len(twice)} offsets more than once, first {min(twice)}"
        if list(found) != sorted(found):
            yield "misordered", f"{where} is not in the order of offsets"
    indexed = Counter(memory.found)
    if absent := memory.events - set(indexed):
        yield "lost", f"search lacks {len(absent)} of {len(memory.events)} events, such as {min(absent)}"
    if more := [event for event, times in indexed.items() if times > 1]:
        yield "doubled", f"search holds {len(more)} events more than once, such as {min(more)}"
    if foreign := set(indexed) - memory.events:
        yield "doubled", f"search holds {len(foreign)} events that no topic has, such as {min(foreign)}"
