"""The gateway's admin API, asked for people: forwarded with their own token, written down, and read back.

A change is on the audit log before the gateway is asked, because this process may die in between; how it ended is
there before the caller is answered. Without an answer of the gateway its effect is not known, and the log says so.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from stoa.adapters.webmethods import archive
from stoa.adapters.webmethods.admin_contract import NAME
from stoa.adapters.webmethods.admin_proxy import AdminProxy
from stoa.adapters.webmethods.gateway import OVERWRITE
from stoa.audit.events import PLATFORM, Outcome, acted
from stoa.gateway_admin import model
from stoa.gateway_admin.model import ACTS, ASKED, Asked, Json, refuse_own, resource, shown, summary
from stoa.kernel import outbox
from stoa.kernel.clock import now
from stoa.kernel.database import Database
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

READBACK = "READBACK_DIFFERS"


@dataclass(frozen=True)
class Done:
    """`answer` is for the caller, the rest for the audit."""

    answer: Any
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


Work = Callable[[AdminProxy], Done]


@dataclass(frozen=True)
class GatewayAdmin:
    """`reach` gives the gateway of an environment for a token; `publish` takes outbox keys after a commit."""

    database: Database
    publish: Callable[[Iterable[str]], None]
    reach: Callable[[str, Secret], AdminProxy]

    def read(self, asked: Asked, operation: str, object_id: str = "") -> Any:
        """GET of the proxy -> what the gateway says, without secrets."""
        return self._act(asked, operation, object_id, lambda g: Done(shown(g.json(operation, object_id))), change=False)

    def import_api(self, asked: Asked, name: str, version: str, kind: str, document: Mapping[str, Any]) -> Json:
        """POST apis -> an inactive API."""

        def _work(gateway: AdminProxy) -> Done:
            refuse_own(name)
            form = {"apiName": name, "apiVersion": version, "type": kind}
            files = {"file": ("openapi.json", json.dumps(document).encode(), "application/json")}
            return _made(gateway, gateway.json("importApi", data=form, files=files))

        answer: Json = self._act(asked, "importApi", "", _work)
        return answer

    def set_active(self, asked: Asked, api_id: str, *, active: bool) -> Json:
        """PUT activate, deactivate -> served, or not; being so already is success."""
        operation = "activateApi" if active else "deactivateApi"

        def _work(gateway: AdminProxy) -> Done:
            before = _api(gateway, api_id)
            if before["active"] == active:
                return Done(before, before, before)
            try:
                gateway.json(operation, api_id)
            except (Refused, Transient):  # 400 or 500 for who came second
                if _api(gateway, api_id)["active"] != active:
                    raise
            after = _api(gateway, api_id)
            _same(after["active"], active, "the state of the API")
            return Done(after, before, after)

        answer: Json = self._act(asked, operation, api_id, _work)
        return answer

    def delete_api(self, asked: Asked, api_id: str) -> None:
        """DELETE api -> gone, if it was inactive and nobody used it; the gateway itself looks, nothing is forced."""

        def _work(gateway: AdminProxy) -> Done:
            if asked.environment == "prod":
                detail, hint = "an API of prod is removed by an approved change", "ask for its undeployment"
                raise Refused("CHANGE_NOT_APPROVED", detail, status=409, hint=hint)
            before = _api(gateway, api_id)
            gateway.json("deleteApi", api_id)
            _same(_listed(gateway, api_id), None, "the list of APIs")
            return Done(None, before)

        self._act(asked, "deleteApi", api_id, _work)

    def add_version(self, asked: Asked, api_id: str, version: str) -> Json:
        """POST versions -> a new, inactive version; subscriptions are kept."""

        def _work(gateway: AdminProxy) -> Done:
            _api(gateway, api_id)
            body = {"newApiVersion": version, "retainApplications": True}
            return _made(gateway, gateway.json("addVersion", api_id, json=body))

        answer: Json = self._act(asked, "addVersion", api_id, _work)
        return answer

    def subscribe(self, asked: Asked, application_id: str, api_ids: Sequence[str], *, replace: bool) -> Json:
        """POST, PUT apis of an application -> the APIs that it uses; what POST does differs, so PUT is sent."""

        def _work(gateway: AdminProxy) -> Done:
            _refuse_own_subscriptions(gateway, application_id, api_ids)
            before = gateway.json("readSubscriptions", application_id)["apiIDs"]
            wanted = list(dict.fromkeys([*([] if replace else before), *api_ids]))
            gateway.json("replaceSubscriptions", application_id, json={"apiIDs": wanted})
            after = gateway.json("readSubscriptions", application_id)["apiIDs"]
            _same(sorted(after), sorted(wanted), "the list of APIs")
            return Done({"apiIDs": after}, {"api_ids": before}, {"api_ids": after})

        operation = "replaceSubscriptions" if replace else "addSubscriptions"
        answer: Json = self._act(asked, operation, application_id, _work)
        return answer

    def put_alias(self, asked: Asked, alias: Mapping[str, Any], alias_id: str = "") -> Json:
        """POST, PUT alias -> the alias as it reads back, without its password."""
        operation = "replaceAlias" if alias_id else "addAlias"

        def _work(gateway: AdminProxy) -> Done:
            before = _alias(gateway, alias_id) if alias_id else None
            for one in (alias, before or {}):
                refuse_own(one.get("name"))
            hidden = model.secrets_in(alias)
            answer = gateway.json(operation, alias_id, json=dict(alias), hidden=hidden)
            after = _alias(gateway, str(answer.get("alias", answer)["id"]))
            _same(model.unlike(after, alias), [], "the alias")
            return Done(
                shown(after), before and model.told(before), model.told(before or {}, alias) | model.told(after)
            )

        answer: Json = self._act(asked, operation, alias_id, _work)
        return answer

    def configure_oidc(self, asked: Asked, api_id: str, server: str, scope: str) -> Json:
        """POST configure-oidc -> the API asks for this scope of the tokens of this authorization server."""

        def _work(gateway: AdminProxy) -> Done:
            body = model.mapping(_api(gateway, api_id), server, scope)
            before = _mapping(gateway, body["scopeName"])
            if before is None:
                gateway.json("addScope", json=body)
            elif model.unlike(before, body):
                gateway.json("replaceScope", str(before["id"]), json={**before, **body})
            after = _mapping(gateway, body["scopeName"])
            _same(model.unlike(after or {}, body), [], "the scope mapping")
            return Done(after, before, after)

        answer: Json = self._act(asked, "configureOidc", "", _work)
        return answer

    def export_archive(self, asked: Asked, api_id: str) -> bytes:
        """GET archive -> the API as a zip, without aliases and their secrets."""

        def _work(gateway: AdminProxy) -> Done:
            api = _api(gateway, api_id)
            if not api["active"]:
                detail = f"{api['name']} is inactive; its archive would stop it wherever it is imported"
                raise Refused("ARCHIVE_INACTIVE", detail, hint="activate it first", status=409)
            made = archive.without_aliases(gateway.content("exportArchive", params={"apis": api_id}))
            return Done(made, None, {**api, "sha256": sha256(made).hexdigest()})

        answer: bytes = self._act(asked, "exportArchive", "", _work, change=False)
        return answer

    def import_archive(self, asked: Asked, data: bytes, *, overwrite: bool) -> Json:
        """POST archive -> its APIs with their policies in force, every item of it."""

        def _work(gateway: AdminProxy) -> Done:
            clean = archive.without_aliases(data)
            records = archive.contents(clean).records
            model.check_archive(records, _protected(gateway))
            kinds = {"overwrite": OVERWRITE if overwrite else ""}
            headers = {"Content-Type": "application/zip"}
            answer = gateway.json("importArchive", params=kinds, data=clean, headers=headers)
            items = [{"type": kind, **item} for entry in answer["ArchiveResult"] for kind, item in entry.items()]
            bad = [
                f"{i['type']} {i.get('name')}: {i.get('explanation')}" for i in items if i.get("status") != "Success"
            ]
            if bad or not items:
                raise Refused("ARCHIVE_REFUSED", f"the gateway did not take everything: {'; '.join(bad)}", status=409)
            after = [_listed(gateway, api_id) for api_id in records["API"]]
            _same([bool(api and api["active"]) for api in after], [True] * len(after), "the state of the APIs")
            return Done({"items": items}, None, {"apis": after, "sha256": sha256(clean).hexdigest()})

        answer: Json = self._act(asked, "importArchive", "", _work)
        return answer

    def _act(self, asked: Asked, operation: str, object_id: str, work: Work, *, change: bool = True) -> Any:
        action = ACTS[operation]
        if change:
            self._say(asked, operation, object_id, ASKED, "done", after={"action": action})
        try:
            done = work(self.reach(asked.environment, asked.token))
        except Refused as error:
            # without the detail: it may quote what was sent
            after = {"code": error.code, "status": error.status}
            self._say(asked, operation, object_id, action, "refused", after=after)
            error.noted = True
            raise
        except Transient:
            effect = "unknown" if change else "none"
            self._say(asked, operation, object_id, action, "refused", after={"code": "UNAVAILABLE", "effect": effect})
            raise
        self._say(asked, operation, object_id, action, "done", done.before, done.after)
        return done.answer

    def _say(
        self, asked: Asked, operation: str, object_id: str, action: str, outcome: Outcome,
        before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        event = acted(
            action, resource(asked.environment, operation, object_id), actor=asked.actor, tenant=PLATFORM,
            trace_id=asked.trace_id, at=now(), ip=asked.ip, outcome=outcome, before=before, after=after,
        )  # fmt: skip
        with self.database.transaction() as connection:
            keys = outbox.add(connection, [event])
        self.publish(keys)


def _api(gateway: AdminProxy, api_id: str) -> Json:
    """The API, if it may be changed. Raises NotFound, Refused."""
    found = summary(gateway.json("readApi", api_id)["apiResponse"]["api"])
    refuse_own(found["name"])
    return found


def _refuse_own_subscriptions(gateway: AdminProxy, application_id: str, api_ids: Sequence[str]) -> None:
    """Raises Refused: whoever else used the published admin API would be as good as its callers, and they without it
    would be locked out."""
    applications = gateway.json("listApplications")["applications"]
    apis = [entry.get("api", {}) for entry in gateway.json("listApis")["apiResponse"]]
    for name in (one["name"] for one in applications if one["id"] == application_id):
        refuse_own(name)
    for name in (one.get("apiName") for one in apis if one.get("id") in api_ids):
        refuse_own(name)


def _alias(gateway: AdminProxy, alias_id: str) -> Json:
    answer = gateway.json("readAlias", alias_id)
    return dict(answer.get("alias", answer))  # wrapped or bare


def _mapping(gateway: AdminProxy, name: str) -> Json | None:
    return next((dict(one) for one in gateway.json("listScopes")["scopes"] if one["scopeName"] == name), None)


def _protected(gateway: AdminProxy) -> frozenset[str]:
    """The policies of the published admin API; none where it is not published."""
    entries = [entry.get("api", {}) for entry in gateway.json("listApis")["apiResponse"]]
    own = [str(api["id"]) for api in entries if api.get("apiName") == NAME]
    return frozenset(str(p) for i in own for p in gateway.json("readApi", i)["apiResponse"]["api"]["policies"])


def _listed(gateway: AdminProxy, api_id: str) -> Json | None:
    """The API in the list, which knows it at once: a read by id may come too early."""
    entries = gateway.json("listApis")["apiResponse"]
    found = [entry["api"] for entry in entries if entry.get("api", {}).get("id") == api_id]
    return summary(found[0]) if found else None


def _made(gateway: AdminProxy, answer: Json) -> Done:
    made = summary(answer["apiResponse"]["api"])
    _same(_listed(gateway, made["id"]), made, "the list of APIs")
    return Done(made, None, made)


def _same(found: Any, wanted: Any, what: str) -> None:
    """Raises Refused when the gateway holds something else than it took."""
    if found != wanted:
        raise Refused(READBACK, f"{what} is not as it was sent, though the gateway took it", status=409)
