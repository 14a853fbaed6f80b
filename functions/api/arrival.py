"""Where the API stands behind CloudFront (cdk/stacks/edge.py), what comes past it is refused, and the caller is who
called CloudFront: the address that API Gateway sees would be one of CloudFront's own."""

import hmac
import json

from fastapi import Request, Response
from starlette.types import Scope

from functions.api.problems import problem
from stoa.bootstrap import app
from stoa.kernel.errors import Transient
from stoa.kernel.log import log
from stoa.kernel.settings import Secret

SECRET, VIEWER = b"x-stoa-edge", b"x-stoa-viewer"


def arrived(scope: Scope) -> Response | None:
    """The refusal, if so. Its secret goes no further than this; without such a setting there is no edge, and what a
    caller says in those headers is not heard either."""
    given = {name: value for name, value in scope["headers"] if name in (SECRET, VIEWER)}
    scope["headers"] = [one for one in scope["headers"] if one[0] not in given]
    try:
        wanted = app().settings.edge_secret
        if not wanted:
            return None
        genuine = any([hmac.compare_digest(one, given.get(SECRET, b"")) for one in secrets(wanted)])
    except Transient as error:
        log.error("request.unavailable", system=error.system, detail=error.detail)
        return problem(Request(scope), 503, "UNAVAILABLE", f"{error.system} does not answer", hint="try again")
    if not genuine:
        hint = "use the address of the API that you were given"
        return problem(Request(scope), 403, "NOT_BY_THIS_WAY", "the API is not asked past its edge", hint=hint)
    scope["client"] = (given.get(VIEWER, b"").decode("latin-1"), 0)
    return None


def secrets(kept: Secret) -> list[bytes]:
    """What the edge carries, and while that changes what it carries next. Raises Transient; what is not as
    cdk/stacks/edge_secret.py says, is one that a person must repair."""
    try:
        found = json.loads(kept.reveal())
        made = [one.encode() for one in found.values() if one.strip()]
    except (ValueError, AttributeError) as error:
        raise Transient("edge-secret", "it is no JSON object of texts", alarm=True) from error
    if not made:
        raise Transient("edge-secret", "it holds no text", alarm=True)
    return made
