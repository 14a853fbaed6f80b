"""Who may use the admin API: a bearer token of this realm with a role of `realm-management`."""

import json
from typing import Any

from local.emulators.document_store import Json
from local.emulators.keycloak.answers import Refused, admin, answer
from local.emulators.keycloak.call import Call, living

OWNER = "realm-management"
VIEW = frozenset({"view-users", "manage-users"})
MANAGE = frozenset({"manage-users"})


def need(call: Call, roles: frozenset[str]) -> None:
    """One of these. Raises Refused 401 and 403. Roles count as they are now, not as they were in the token."""
    server = call.server
    claims = server.keys.verified(call.bearer(), "Bearer", server.url)
    grant = living(call, claims) if claims is not None and call.now < claims["exp"] else None
    if grant is None:
        raise admin(401, "HTTP 401 Unauthorized")
    held = server.people.client_roles_of(grant.user, grant.client).get(OWNER, frozenset())
    if not held & roles:
        raise admin(403, "HTTP 403 Forbidden")


def user_of(call: Call, roles: frozenset[str]) -> Json:
    """The user in the path. Raises Refused 401, 403, 404."""
    need(call, roles)
    user = call.server.people.get(call.names["user"])
    if user is None:
        raise admin(404, "User not found")
    return user


def sent(call: Call, kind: type) -> Any:
    """The JSON document of that kind. Raises Refused 400."""
    try:
        body = json.loads(call.body)
    except ValueError:
        body = None
    if not isinstance(body, kind):
        raise unreadable()
    return body


def unreadable() -> Refused:
    return Refused(answer({"error": "invalid_request", "error_description": "Cannot parse the JSON"}, 400))
