"""Which handler a path has."""

import re
from collections.abc import Callable

from starlette.responses import Response

from local.emulators.keycloak import admin_roles, admin_users, bearer, controls, discovery, grants, login, logout
from local.emulators.keycloak.answers import admin
from local.emulators.keycloak.call import Call

Handler = Callable[[Call], Response]
PROTOCOL, USERS = "/realms/{realm}/protocol/openid-connect", "/admin/realms/{realm}/users"
USER, MAPPINGS = f"{USERS}/{{user}}", f"{USERS}/{{user}}/role-mappings"
LOCK = "/admin/realms/{realm}/attack-detection/brute-force/users/{user}"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/realms/{realm}", discovery.realm),
    ("GET", "/realms/{realm}/.well-known/openid-configuration", discovery.document),
    ("GET", f"{PROTOCOL}/certs", discovery.certs),
    ("GET", f"{PROTOCOL}/auth", login.authorize),
    ("GET", "/realms/{realm}/login-actions/authenticate", login.form_again),
    ("POST", "/realms/{realm}/login-actions/authenticate", login.authenticate),
    ("POST", f"{PROTOCOL}/token", grants.token),
    ("POST", f"{PROTOCOL}/token/introspect", bearer.introspect),
    ("GET", f"{PROTOCOL}/userinfo", bearer.userinfo),
    ("POST", f"{PROTOCOL}/userinfo", bearer.userinfo),
    ("POST", f"{PROTOCOL}/revoke", bearer.revoke),
    ("GET", f"{PROTOCOL}/logout", logout.logout),
    ("POST", f"{PROTOCOL}/logout", logout.by_client),
    ("POST", f"{PROTOCOL}/logout/logout-confirm", logout.confirm),
    ("GET", USERS, admin_users.find),
    ("GET", f"{USERS}/count", admin_users.count),
    ("POST", USERS, admin_users.create),
    ("GET", USER, admin_users.read),
    ("PUT", USER, admin_users.update),
    ("DELETE", USER, admin_users.delete),
    ("PUT", f"{USER}/reset-password", admin_users.reset_password),
    ("GET", f"{USER}/sessions", admin_users.sessions),
    ("POST", f"{USER}/logout", admin_users.log_out),
    ("DELETE", "/admin/realms/{realm}/sessions/{session}", admin_users.end_session),
    ("GET", LOCK, admin_users.lock),
    ("DELETE", LOCK, admin_users.unlock),
    ("GET", MAPPINGS, admin_roles.mappings),
    ("GET", f"{MAPPINGS}/realm", admin_roles.held),
    ("GET", f"{MAPPINGS}/realm/available", admin_roles.available),
    ("POST", f"{MAPPINGS}/realm", admin_roles.give),
    ("DELETE", f"{MAPPINGS}/realm", admin_roles.take),
    ("GET", "/_emulator/oddities", controls.oddities),
    ("PUT", "/_emulator/oddities", controls.oddities),
    ("GET", "/_emulator/keys", controls.keys),
    ("POST", "/_emulator/keys", controls.rotate),
    ("PUT", "/_emulator/keys/{kid}", controls.key),
]
PATTERNS = [(method, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path) + r"\Z"), h) for method, path, h in ROUTES]


def handler_of(method: str, path: str, realm: str) -> tuple[Handler, dict[str, str]]:
    """The handler and the names in the path. Raises Refused 404 and 405."""
    there = [(known, found, h) for known, pattern, h in PATTERNS if (found := pattern.match(path))]
    named = re.match(r"/(admin/)?realms/([^/]+)", path)
    if named is not None and named[2] != realm:
        raise admin(404, "Realm not found." if named[1] else "Realm does not exist")
    if not there:
        raise admin(404, "HTTP 404 Not Found")
    # a path that is written out comes before the same one with a name in it
    for known, found, handler in sorted(there, key=lambda one: len(one[1].groupdict())):
        if known == method:
            return handler, found.groupdict()
    raise admin(405, "HTTP 405 Method Not Allowed")
