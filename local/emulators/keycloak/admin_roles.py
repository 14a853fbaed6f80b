"""The admin API's role mappings of a user, realm roles only."""

from starlette.responses import Response

from local.emulators.document_store import Json
from local.emulators.keycloak.admin_access import MANAGE, VIEW, sent, user_of
from local.emulators.keycloak.answers import admin, answer, no_content
from local.emulators.keycloak.call import Call


def mappings(call: Call) -> Response:
    roles = _held(call, user_of(call, VIEW))
    return answer({"realmMappings": roles} if roles else {})


def held(call: Call) -> Response:
    return answer(_held(call, user_of(call, VIEW)))


def available(call: Call) -> Response:
    """Those that the user has not yet, each with the id that `give` wants."""
    user = user_of(call, VIEW)
    return answer([_shown(call, name) for name in call.server.realm.roles if name not in user["realmRoles"]])


def give(call: Call) -> Response:
    """A list of roles as `available` shows them; one that the user has already is no mistake."""
    user = user_of(call, MANAGE)
    names = _named(call)
    user["realmRoles"] += [name for name in names if name not in user["realmRoles"]]
    call.server.people.save(user)
    return no_content()


def take(call: Call) -> Response:
    user = user_of(call, MANAGE)
    gone = _named(call)
    call.server.people.save({**user, "realmRoles": [name for name in user["realmRoles"] if name not in gone]})
    return no_content()


def _named(call: Call) -> list[str]:
    """By id and name. Raises Refused 404: a name alone is not enough for Keycloak."""
    known = {(call.server.realm.id_of("role", name), name) for name in call.server.realm.roles}
    asked = [(role.get("id"), role.get("name")) for role in sent(call, list)]
    if not set(asked) <= known:
        raise admin(404, "Role not found")
    return [str(name) for _, name in asked]


def _held(call: Call, user: Json) -> list[Json]:
    return [_shown(call, name) for name in user["realmRoles"]]


def _shown(call: Call, name: str) -> Json:
    realm = call.server.realm
    return {
        "id": realm.id_of("role", name),
        "name": name,
        "description": realm.roles[name],
        "composite": name.startswith("default-roles-"),
        "clientRole": False,
        "containerId": realm.id,
    }
