"""What is refused to somebody is written down as what is done: see docs/adr/0012."""

from urllib.parse import quote

from fastapi import Request

from functions.api.security import address
from stoa.bootstrap import app
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log
from stoa.tenancy.flows import Attempt
from stoa.tenancy.model import Caller, OtherTenant

READ = frozenset({"GET", "HEAD", "OPTIONS"})
ALWAYS = frozenset({"INVALID_TOKEN", "FORBIDDEN", "SESSION_ENDED", "INVALID_LOGOUT_TOKEN"})


def note_refusal(request: Request, error: Refused) -> None:
    """Audits a bad token, a missing permission, a reach for another tenant, and any change that a known caller was
    refused. A request without a token is nobody's act. Without a database the refusal stands, and the log has it."""
    caller: Caller | None = getattr(request.state, "caller", None)
    changes = caller is not None and request.method not in READ
    if error.noted or (error.code not in ALWAYS and not isinstance(error, OtherTenant) and not changes):
        return
    # percent-encoded: the decoded one may hold what PostgreSQL cannot
    path = quote(request.url.path.encode("utf-8", "replace"), safe="/:@")
    trace_id = request.state.trace_id
    try:
        app().refusals.note(Attempt(request.method, path, error.code, caller, address(request), trace_id))
    except Transient as away:
        log.error("audit.refusal_not_written", code=error.code, system=away.system, path=path)
