"""Ends of sessions: by the person, by a client, by an administrator; each tells the clients that want to know."""

import logging
import uuid
from functools import partial
from urllib.parse import urlencode

import requests
from starlette.responses import Response

from local.emulators.document_store import Json
from local.emulators.keycloak import pages
from local.emulators.keycloak.answers import moved, no_content, oauth, page, sorry
from local.emulators.keycloak.call import Call
from local.emulators.keycloak.login import BROWSER, IDENTITY
from local.emulators.keycloak.realm import Client

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_S = 120
WAIT_S = 5.0


def logout(call: Call) -> Response:
    """By the browser, OpenID Connect RP-Initiated Logout: at once with a hint, else after a question."""
    hint, back = call.asked("id_token_hint"), call.asked("post_logout_redirect_uri")
    server = call.server
    claims = server.keys.verified(hint, "ID", server.url) if hint else None
    if hint and claims is None:
        raise sorry("Invalid parameter: id_token_hint")
    if back and claims is None and not call.asked("client_id"):
        raise sorry("Missing parameters: id_token_hint")
    client = server.realm.clients.get(claims["aud"] if claims else call.asked("client_id"))
    if back and (client is None or back not in client.after_logout):
        raise sorry("Invalid redirect uri")
    if claims is None:
        return _ask(call, client, back)
    session = server.sessions.get(claims["sid"], call.now)
    if session is not None:
        end(call, session)
    return _gone(call, back, call.asked("state"))


def confirm(call: Call) -> Response:
    """The answer to the question, of the browser that was asked."""
    tab = call.server.sessions.tab(call.asked("tab_id"), call.cookies.get(BROWSER, ""), call.now)
    if tab is None or call.sent("session_code") != tab["code"]:
        raise sorry("Logout failed")
    call.server.sessions.close_tab(tab)
    session = call.server.sessions.of_cookie(call.cookies.get(IDENTITY, ""), call.now)
    if session is not None:
        end(call, session)
    return _gone(call, tab["asked"]["back"], tab["asked"]["state"])


def by_client(call: Call) -> Response:
    """Keycloak's own way: a client posts its refresh token. Twice is as good as once."""
    client = call.authenticated()
    claims = call.server.keys.verified(call.sent("refresh_token"), "Refresh", call.server.url)
    if claims is None or claims["azp"] != client.name:
        raise oauth("invalid_grant", "Invalid refresh token")
    session = call.server.sessions.get(claims["sid"], call.now)
    if session is not None:
        end(call, session)
    return no_content()


def end(call: Call, session: Json) -> None:
    """The session is over; afterwards every client in it that has a back channel is told, once, and not again when it
    does not answer."""
    call.server.sessions.end(session)
    for name in session["clients"]:
        client = call.server.realm.clients[name]
        url = client.attributes.get("backchannel.logout.url")
        if url:
            call.afterwards.append(partial(_tell, url, _logout_token(call, client, session)))


def _logout_token(call: Call, client: Client, session: Json) -> str:
    server = call.server
    events: Json = {EVENT: {}}
    if client.attributes.get("backchannel.logout.revoke.offline.tokens") == "true":
        events["revoke_offline_access"] = True
    claims = {
        "exp": call.now + TOKEN_S,
        "iat": call.now,
        "jti": str(uuid.uuid4()),
        "iss": server.url,
        "aud": client.name,
        "sub": session["user"],
        "typ": "Logout",
        "sid": session["id"],
        "events": events,
    }
    return server.keys.sign(claims, "logout+jwt")


def _tell(url: str, token: str) -> None:
    try:
        answer = requests.post(url, data={"logout_token": token}, timeout=WAIT_S, allow_redirects=False)
        if answer.status_code not in (200, 204):
            logging.getLogger(__name__).warning("back-channel logout: %s answered %s", url, answer.status_code)
    except requests.RequestException as error:
        logging.getLogger(__name__).warning("back-channel logout: %s: %s", url, type(error).__name__)


def _ask(call: Call, client: Client | None, back: str) -> Response:
    browser = call.cookies.get(BROWSER) or uuid.uuid4().hex
    asked = {"client_id": client.name if client else "account", "back": back, "state": call.asked("state")}
    tab = call.server.sessions.open_tab(browser, asked, call.now)
    query = urlencode({"client_id": asked["client_id"], "tab_id": tab["id"]})
    shown = page(pages.confirm_logout(f"{call.server.protocol}/logout/logout-confirm?{query}", tab["code"]))
    shown.set_cookie(BROWSER, browser, path=f"/realms/{call.server.realm.name}/", httponly=True, samesite="lax")
    return shown


def _gone(call: Call, back: str, state: str) -> Response:
    said = f"?{urlencode({'state': state})}" if state else ""
    answer = moved(back + said) if back else page(pages.message("Signed out", "You are logged out"))
    answer.delete_cookie(IDENTITY, path=f"/realms/{call.server.realm.name}/", httponly=True, samesite="lax")
    return answer
