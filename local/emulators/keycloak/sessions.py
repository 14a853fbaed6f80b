"""Sessions of people, the clients in them, codes, and logins that are under way."""

import hashlib
import secrets
import uuid

from local.emulators.document_store import DocumentStore, Json
from local.emulators.keycloak.realm import Client, Realm

SESSION, CODE, TAB, REVOKED = "session", "code", "tab", "revoked"


class Sessions:
    """A session is {id, user, cookie, address, started, seen, clients}; of a client it knows its token families: of
    each the `jti` of the only refresh token that still counts, and of the one that was used last. Cookies are kept as
    hashes."""

    def __init__(self, store: DocumentStore, realm: Realm) -> None:
        self._store = store
        self._realm = realm

    def start(self, user: Json, address: str, now: int) -> tuple[Json, str]:
        """The session and the secret of its cookie."""
        secret = secrets.token_urlsafe(32)
        session = {
            "id": secrets.token_urlsafe(18),
            "user": user["id"],
            "cookie": _hash(secret),
            "address": address,
            "started": now,
            "seen": now,
            "clients": {},
        }
        self.save(session)
        return session, secret

    def get(self, session_id: str, now: int) -> Json | None:
        """None for one that is over."""
        session = self._store.get(SESSION, session_id)
        return session if session and now < self.ends(session) else None

    def of_cookie(self, secret: str, now: int) -> Json | None:
        wanted = _hash(secret)
        return next((one for one in self.all(now) if secrets.compare_digest(one["cookie"], wanted)), None)

    def of_user(self, user_id: str, now: int) -> list[Json]:
        """The last used first."""
        return sorted(
            (s for s in self.all(now) if s["user"] == user_id), key=lambda s: (s["seen"], s["id"]), reverse=True
        )

    def all(self, now: int) -> list[Json]:
        return [session for session in self._store.all(SESSION) if now < self.ends(session)]

    def ends(self, session: Json) -> int:
        idle, longest = (self._realm.seconds[f"ssoSession{name}"] for name in ("IdleTimeout", "MaxLifespan"))
        return int(min(session["seen"] + idle, session["started"] + longest))

    def save(self, session: Json) -> None:
        self._store.put(SESSION, session["id"], session)

    def end(self, session: Json) -> None:
        self._store.drop(SESSION, session["id"])

    def leave(self, session: Json, client: Client) -> None:
        """The client's tokens of this session are over; the person stays signed in."""
        if session["clients"].pop(client.name, None) is not None:
            self.save(session)

    def code(self, session: Json, client: Client, asked: Json, acr: str, now: int) -> str:
        """`asked` is {redirect_uri, scope, nonce, code_challenge} of the authorization request."""
        number = str(uuid.uuid4())
        session["clients"].setdefault(client.name, {"started": now, "families": {}})
        session["seen"] = now
        self.save(session)
        body = {**asked, "id": number, "session": session["id"], "client": client.name, "acr": acr}
        self._store.put(CODE, number, {**body, "ends": now + self._realm.seconds["accessCodeLifespan"]})
        return f"{number}.{session['id']}.{client.id}"

    def redeem(self, code: str, now: int) -> Json | None:
        """What the code stands for, once. Shown again it ends what the client has in that session."""
        number, _, rest = code.partition(".")
        session_id, _, client_id = rest.rpartition(".")
        found = self._store.get(CODE, number)
        self._store.drop(CODE, number)
        if found is not None and now < found["ends"]:
            return found
        session = self.get(session_id, now)
        client = next((c for c in self._realm.clients.values() if c.id == client_id), None)
        if session is not None and client is not None:
            self.leave(session, client)
        return None

    def open_tab(self, browser: str, asked: Json, now: int) -> Json:
        """A login that is under way in a browser, which holds the secret `browser` in a cookie."""
        ends = now + self._realm.seconds["accessCodeLifespanLogin"]
        tab = {"id": secrets.token_urlsafe(8), "browser": _hash(browser), "asked": asked, "ends": ends, "code": ""}
        return self.next_form(tab)

    def next_form(self, tab: Json) -> Json:
        """Each form can be sent once."""
        tab["code"] = secrets.token_urlsafe(32)
        self._store.put(TAB, tab["id"], tab)
        return tab

    def tab(self, tab_id: str, browser: str, now: int) -> Json | None:
        found = self._store.get(TAB, tab_id)
        mine = found is not None and secrets.compare_digest(found["browser"], _hash(browser))
        return found if found and mine and now < found["ends"] else None

    def close_tab(self, tab: Json) -> None:
        self._store.drop(TAB, tab["id"])

    def revoke(self, jti: str, ends: int) -> None:
        self._store.put(REVOKED, jti, {"id": jti, "ends": ends})

    def revoked(self, jti: str) -> bool:
        return self._store.get(REVOKED, jti) is not None

    def sweep(self, now: int) -> None:
        """Forgets what is over."""
        for kind in (CODE, TAB, REVOKED):
            for one in self._store.all(kind):
                if one["ends"] <= now:
                    self._store.drop(kind, one["id"])
        for session in self._store.all(SESSION):
            if self.ends(session) <= now:
                self.end(session)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
