"""The admin API's users: finding, making, changing and deleting them, their sessions, their lock."""

import re

from starlette.responses import Response

from local.emulators.document_store import Json
from local.emulators.keycloak.admin_access import MANAGE, VIEW, need, sent, unreadable, user_of
from local.emulators.keycloak.answers import Refused, admin, answer, no_content, not_taken
from local.emulators.keycloak.call import Call
from local.emulators.keycloak.logout import end
from local.emulators.keycloak.people import FIELDS, hashed, new

# what a UserRepresentation of ours may have; Keycloak knows more, and refuses what it does not know
KNOWN = {*FIELDS, "id", "enabled", "emailVerified", "attributes", "credentials", "requiredActions"}
# as the user profile of the realm file declares it: others are left out without a word
TENANT = re.compile(r"[a-z0-9-]{1,63}\Z")
LEAST_PASSWORD = 12


def find(call: Call) -> Response:
    """`search` in any name; `username`, `email`, `firstName`, `lastName` as parts, or whole with `exact=true`; `q` is
    `attribute:value`; `first` and `max` (100)."""
    need(call, VIEW)
    found = [user for user in call.server.people.all() if _fits(call, user)]
    first, most = _number(call, "first", 0), _number(call, "max", 100)
    brief = call.asked("briefRepresentation") == "true"
    return answer([_shown(user, brief=brief) for user in found[first : first + most]])


def count(call: Call) -> Response:
    need(call, VIEW)
    return answer(sum(_fits(call, user) for user in call.server.people.all()))


def create(call: Call) -> Response:
    need(call, MANAGE)
    given = _checked(call)
    if not given.get("username"):
        raise not_taken(400, "User name is missing")
    _check_unique(call, given, "")
    for credential in given.get("credentials", []):
        _check_password(credential)
    user = new({**given, "attributes": _declared(given)}, call.now)
    user["realmRoles"] = [f"default-roles-{call.server.realm.name}"]
    call.server.people.save(user)
    url = call.server.url.replace("/realms/", "/admin/realms/")
    return Response(status_code=201, headers={"Location": f"{url}/users/{user['id']}"})


def read(call: Call) -> Response:
    return answer(_shown(user_of(call, VIEW), brief=False))


def update(call: Call) -> Response:
    """Only what is named changes, attributes as a whole. A user name stays."""
    user = user_of(call, MANAGE)
    given = _checked(call)
    _check_unique(call, given, user["id"])
    names = ("email", "firstName", "lastName", "enabled", "emailVerified")
    user |= {name: given[name] for name in names if name in given}
    if "attributes" in given:
        user["attributes"] = _declared(given)
    call.server.people.save(user)
    return no_content()


def delete(call: Call) -> Response:
    user = user_of(call, MANAGE)
    for session in call.server.sessions.of_user(user["id"], call.now):
        call.server.sessions.end(session)
    call.server.people.drop(user)
    return no_content()


def reset_password(call: Call) -> Response:
    user = user_of(call, MANAGE)
    credential = sent(call, dict)
    _check_password(credential)
    call.server.people.save({**user, "password": hashed(credential["value"])})
    return no_content()


def sessions(call: Call) -> Response:
    """Times are milliseconds; `clients` names each client of the session by its id."""
    user = user_of(call, VIEW)
    clients = call.server.realm.clients
    return answer(
        [
            {
                "id": session["id"],
                "username": user["username"],
                "userId": user["id"],
                "ipAddress": session["address"],
                "start": session["started"] * 1000,
                "lastAccess": session["seen"] * 1000,
                "rememberMe": False,
                "clients": {clients[name].id: name for name in session["clients"]},
                "transientUser": False,
            }
            for session in call.server.sessions.of_user(user["id"], call.now)
        ]
    )


def log_out(call: Call) -> Response:
    """All sessions of a user."""
    user = user_of(call, MANAGE)
    for session in call.server.sessions.of_user(user["id"], call.now):
        end(call, session)
    return no_content()


def end_session(call: Call) -> Response:
    need(call, MANAGE)
    session = call.server.sessions.get(call.names["session"], call.now)
    if session is None:
        raise admin(404, "Sesssion not found")  # as Keycloak spells it
    end(call, session)
    return no_content()


def lock(call: Call) -> Response:
    found = call.server.people.lock_of(user_of(call, VIEW))
    return answer(
        {
            "failedLoginNotBefore": found["not_before"],
            "numFailures": found["failures"],
            "numTemporaryLockouts": found["lockouts"],
            "disabled": call.now < found["not_before"],
            "numSecondaryAuthFailures": 0,
            "lastIPFailure": found["address"],
            "lastFailure": found["last"] * 1000,
        }
    )


def unlock(call: Call) -> Response:
    call.server.people.unlock(user_of(call, MANAGE))
    return no_content()


def _number(call: Call, name: str, default: int) -> int:
    """Raises Refused 404, which is what becomes of a parameter that is no number."""
    given = call.asked(name) or str(default)
    if not given.isascii() or not given.isdigit():
        raise admin(404, "HTTP 404 Not Found")
    return int(given)


def _fits(call: Call, user: Json) -> bool:
    texts = {name: (user[name] or "").lower() for name in FIELDS}
    search, exact = call.asked("search").lower(), call.asked("exact") == "true"
    if search and not any(search in text for text in texts.values()):
        return False
    name, _, value = call.asked("q").partition(":")
    if name and user["attributes"].get(name) != [value]:
        return False
    wanted = {field: call.asked(field).lower() for field in FIELDS if call.asked(field)}
    return all(texts[field] == part if exact else part in texts[field] for field, part in wanted.items())


def _shown(user: Json, *, brief: bool) -> Json:
    body = {"id": user["id"], **{name: user[name] for name in FIELDS if user[name] is not None}}
    body |= {"emailVerified": user["emailVerified"], "enabled": user["enabled"], "createdTimestamp": user["created"]}
    if brief:
        return body
    attributes = {"attributes": user["attributes"]} if user["attributes"] else {}
    return {**body, **attributes, "totp": False, "requiredActions": [], "notBefore": 0}


def _checked(call: Call) -> Json:
    """Raises Refused 400."""
    given: Json = sent(call, dict)
    unknown = sorted(given.keys() - KNOWN)
    if unknown:
        said = f'Invalid json representation for UserRepresentation. Unrecognized field "{unknown[0]}"'
        raise admin(400, said)
    _check_types(given)
    tenant = given.get("attributes", {}).get("tenant", [])
    if any(not TENANT.match(value) for value in tenant):
        said = "a tenant is written in small letters, digits and dashes"
        raise not_taken(400, said, field="tenant", params=["tenant", "^[a-z0-9-]+$"])
    return given


def _check_types(given: Json) -> None:
    attributes, credentials = given.get("attributes", {}), given.get("credentials", [])
    texts = [given[name] for name in FIELDS if name in given]
    texts += [value for values in attributes.values() for value in values] if isinstance(attributes, dict) else [None]
    listed = isinstance(credentials, list) and all(isinstance(one, dict) for one in credentials)
    if not listed or not all(isinstance(text, str) for text in texts):
        raise unreadable()


def _declared(given: Json) -> Json:
    return {name: values for name, values in given.get("attributes", {}).items() if name == "tenant" and values}


def _check_unique(call: Call, given: Json, user_id: str) -> None:
    others = [user for user in call.server.people.all() if user["id"] != user_id]
    for field, said in (("email", "email"), ("username", "username")):
        if given.get(field) and given[field].lower() in [user[field] for user in others]:
            raise not_taken(409, f"User exists with same {said}")


def _check_password(credential: Json) -> None:
    if credential.get("type", "password") != "password" or len(str(credential.get("value", ""))) < LEAST_PASSWORD:
        said = f"Invalid password: minimum length {LEAST_PASSWORD}."
        raise Refused(answer({"error": "invalidPasswordMinLengthMessage", "error_description": said}, 400))
