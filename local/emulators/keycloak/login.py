"""The authorization endpoint and the login page behind it."""

import secrets
from urllib.parse import urlencode

from starlette.responses import Response

from local.emulators.document_store import Json
from local.emulators.keycloak import pages
from local.emulators.keycloak.answers import moved, oauth, page, sorry
from local.emulators.keycloak.call import Call
from local.emulators.keycloak.grants import PROOF
from local.emulators.keycloak.people import fits
from local.emulators.keycloak.realm import Client

BROWSER, IDENTITY = "AUTH_SESSION_ID", "KEYCLOAK_IDENTITY"
WRONG = "Invalid username or password."
DISABLED = "Account is disabled, contact your administrator."
NO_COOKIE = (
    "Restart login cookie not found. It may have expired; it may have been deleted or cookies are disabled in your"
    " browser. If cookies are disabled then enable them. Click Back to Application to login again."
)


def authorize(call: Call) -> Response:
    """Sends the browser back with a code when it is signed in, or shows the form. Raises Refused 400 with a page while
    the address to send it back to is not proven."""
    client = _client(call)
    problem = _problem(call, client)
    if problem is not None:
        return _back(call, client, call.asked("redirect_uri"), call.asked("state"), problem)
    asked: Json = {name: call.asked(name) for name in ("client_id", "redirect_uri", "state", "scope", "code_challenge")}
    asked["nonce"] = call.asked("nonce") or None
    session = call.server.sessions.of_cookie(call.cookies.get(IDENTITY, ""), call.now)
    prompt = call.asked("prompt")
    if session is not None and prompt != "login" and _may_stay(call, session):
        return _signed_in(call, client, asked, session, "0")
    if prompt == "none":
        return _back(call, client, asked["redirect_uri"], asked["state"], {"error": "login_required"})
    browser = call.cookies.get(BROWSER) or secrets.token_urlsafe(32)
    tab = call.server.sessions.open_tab(browser, asked, call.now)
    shown = _form(call, tab)
    _cookie(call, shown, BROWSER, browser)
    return shown


def form_again(call: Call) -> Response:
    """The login page of a tab, after a form that was no longer the newest."""
    tab = _tab(call)
    return _form(call, call.server.sessions.next_form(tab))


def authenticate(call: Call) -> Response:
    tab = _tab(call)
    if not secrets.compare_digest(call.asked("session_code").encode(), tab["code"].encode()):
        return moved(_action(call, tab, with_code=False))
    sessions, people = call.server.sessions, call.server.people
    sessions.sweep(call.now)
    name, user = call.sent("username"), people.named(call.sent("username"))
    locked = user is not None and call.now < people.lock_of(user)["not_before"]
    right = fits(user["password"] if user else None, call.sent("password"))
    if user is None or locked or not right:
        if user is not None and not locked:
            people.failed(user, call.address, call.now)
        return _form(call, sessions.next_form(tab), name, WRONG)
    if not user["enabled"]:
        return _form(call, sessions.next_form(tab), name, DISABLED)
    people.unlock(user)
    sessions.close_tab(tab)
    session, secret = sessions.start(user, call.address, call.now)
    client = call.server.realm.clients[tab["asked"]["client_id"]]
    answer = _signed_in(call, client, tab["asked"], session, "1")
    _cookie(call, answer, IDENTITY, secret)
    return answer


def _client(call: Call) -> Client:
    """Raises Refused 400."""
    client = call.server.realm.clients.get(call.asked("client_id"))
    if client is None:
        raise sorry("Client not found.")
    if not client.enabled:
        raise sorry("Client disabled.")
    if call.asked("redirect_uri") not in client.redirects:
        raise sorry("Invalid parameter: redirect_uri")
    return client


def _problem(call: Call, client: Client) -> Json | None:
    """What the client did wrong, for its own ears."""
    pkce = client.attributes.get("pkce.code.challenge.method")
    method, challenge = call.asked("code_challenge_method"), call.asked("code_challenge")
    mistakes = {
        "Missing parameter: response_type": not call.asked("response_type"),
        "Invalid parameter: response_type": call.asked("response_type") != "code",
        "Invalid parameter: response_mode": call.asked("response_mode") not in ("", "query"),
        "Missing parameter: code_challenge_method": bool(pkce or challenge) and not method,
        "Invalid parameter: code challenge method is not matching the configured one": bool(method)
        and method != "S256",
        "Missing parameter: code_challenge": bool(method) and not challenge,
        "Invalid parameter: code_challenge": bool(challenge) and not PROOF.match(challenge),
    }
    mistake = next((text for text, made in mistakes.items() if made), None)
    if mistake is not None:
        return {"error": "invalid_request", "error_description": mistake}
    if call.server.realm.unknown_scopes(client, call.asked("scope")):
        return {"error": "invalid_scope", "error_description": f"Invalid scopes: {call.asked('scope')}"}
    return None


def _signed_in(call: Call, client: Client, asked: Json, session: Json, acr: str) -> Response:
    code = call.server.sessions.code(session, client, asked, acr, call.now)
    return _back(call, client, asked["redirect_uri"], asked["state"], {"code": code}, session["id"])


def _back(call: Call, client: Client, redirect: str, state: str, said: Json, session: str = "") -> Response:
    """With `iss`, so that a client of two issuers knows who answered (RFC 9207)."""
    if redirect not in client.redirects:
        raise oauth("invalid_request", "Invalid parameter: redirect_uri")
    parameters = {"state": state, "session_state": session, "iss": call.server.url, **said}
    return moved(f"{redirect}?{urlencode({name: value for name, value in parameters.items() if value})}")


def _may_stay(call: Call, session: Json) -> bool:
    user = call.server.people.get(session["user"])
    return user is not None and bool(user["enabled"])


def _tab(call: Call) -> Json:
    """Raises Refused 400 in another browser than the one that asked for the form."""
    tab = call.server.sessions.tab(call.asked("tab_id"), call.cookies.get(BROWSER, ""), call.now)
    if tab is None:
        raise sorry(NO_COOKIE)
    return tab


def _form(call: Call, tab: Json, username: str = "", problem: str = "") -> Response:
    return page(pages.login(call.server.realm.title, _action(call, tab, with_code=True), username, problem))


def _action(call: Call, tab: Json, *, with_code: bool) -> str:
    parameters = {"session_code": tab["code"]} if with_code else {}
    parameters |= {"client_id": tab["asked"]["client_id"], "tab_id": tab["id"]}
    return f"{call.server.url}/login-actions/authenticate?{urlencode(parameters)}"


def _cookie(call: Call, answer: Response, name: str, value: str) -> None:
    """Not Secure, as Keycloak's is, because we are served over plain HTTP."""
    answer.set_cookie(name, value, path=f"/realms/{call.server.realm.name}/", httponly=True, samesite="lax")
