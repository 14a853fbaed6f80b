"""What the application controller does by itself, worked off whenever somebody looks: nothing runs in between."""

from local.emulators.argocd.answers import DENIED, PRECONDITION, Json, Refusal
from local.emulators.argocd.documents import KIND, source, stamp
from local.emulators.argocd.settings import Timing
from local.emulators.document_store import DocumentStore

WINDOWS = "windows"


class Controller:
    def __init__(self, store: DocumentStore, timing: Timing) -> None:
        self.store = store
        self.timing = timing

    def look(self, name: str, now: float) -> Json | None:
        """The application as it is at this moment, or None; hold the store's lock to change it."""
        with self.store.lock:
            app = self.store.get(KIND, name)
            return None if app is None else self._caught_up(app, now)

    def _caught_up(self, app: Json, now: float) -> Json | None:
        reconciled = app["status"]["reconciledAt"] is not None and not app["due"]
        if reconciled and now - app["compared"] >= self.timing.resync_s:
            app["due"].append([now, "reconcile"])
        while app["due"] and app["due"][0][0] <= now:
            at, what = app["due"].pop(0)
            if what == "prune":
                self.store.drop(KIND, app["name"])
                return None
            getattr(self, f"_{what}")(app, at)
        self.store.put(KIND, app["name"], app)
        return app

    def closed(self, project: str) -> bool:
        """Whether a sync window forbids it now, by hand as well."""
        return bool((self.store.get(WINDOWS, WINDOWS) or {}).get(project))

    def request(self, app: Json, revision: str, asked: Json, now: float, *, automatic: bool = False) -> None:
        """Sets the operation. Raises Refusal when one is there."""
        if app["operation"] is not None:
            raise Refusal(PRECONDITION, "another operation is already in progress")
        who = {"automated": True} if automatic else {"username": "admin"}
        sync = {"revision": revision, "prune": bool(asked.get("prune")), "syncStrategy": asked.get("strategy") or {}}
        app["operation"] = {"sync": sync, "initiatedBy": who, "retry": asked.get("retryStrategy") or {}}
        app["status"]["operationState"] = None
        self.due(app, now + self.timing.pickup_s, "start")

    def check_window(self, app: Json) -> None:
        if self.closed(app["project"]):
            raise Refusal(DENIED, "cannot sync: blocked by sync window")

    def terminate(self, app: Json, now: float) -> None:
        state = app["status"]["operationState"]
        if app["operation"] is None or state is None or state["phase"] != "Running":
            raise Refusal(PRECONDITION, "Unable to terminate operation. No operation is in progress")
        state["phase"] = "Terminating"
        app["due"] = [entry for entry in app["due"] if entry[1] != "finish"]
        self.due(app, now + self.timing.pickup_s, "finish")

    def due(self, app: Json, at: float, what: str) -> None:
        app["due"] = sorted([*app["due"], [at, what]], key=lambda entry: float(entry[0]))
        self.store.put(KIND, app["name"], app)

    def _start(self, app: Json, at: float) -> None:
        revision = app["operation"]["sync"]["revision"]
        app["status"]["operationState"] = {
            "phase": "Running",
            "message": "waiting for completion of hooks and resources",
            "operation": app["operation"],
            "startedAt": stamp(at),
            "retryCount": 0,
            "syncResult": {"revision": revision, "source": source(app), "resources": []},
        }
        self.due(app, at + self.timing.sync_s, "finish")

    def _finish(self, app: Json, at: float) -> None:
        state, coming = app["status"]["operationState"], app["next"]
        terminated = state["phase"] == "Terminating"
        state["phase"] = "Failed" if terminated else coming["outcome"]
        said = {"Succeeded": "successfully synced (all tasks run)", "Failed": "one or more tasks failed"}
        state["message"] = "Operation terminated" if terminated else coming["message"] or said.get(state["phase"], "")
        state["finishedAt"] = stamp(at)
        app["operation"] = None
        revision = state["syncResult"]["revision"]
        if state["phase"] == "Succeeded":
            app["live"] = {"revision": revision, "health": "Progressing"}
            history = app["status"]["history"]
            history.append({"id": len(history), "revision": revision, "deployedAt": stamp(at)})
            self.due(app, at + self.timing.settle_s, "settle")
        self.due(app, at + self.timing.reconcile_s, "reconcile")

    def _settle(self, app: Json, at: float) -> None:
        """The resources have come to what they come to; a change of them is compared at once."""
        app["live"]["health"] = app["next"]["health"]
        self._reconcile(app, at)

    def _reconcile(self, app: Json, at: float) -> None:
        """Only here the status takes in what Git and the cluster are like."""
        status, live, head = app["status"], app["live"], app["head"]
        synced = "Unknown" if head is None else "Synced" if live["revision"] == head else "OutOfSync"
        status["sync"] = {
            "status": synced,
            "comparedTo": {"source": source(app)},
            **({"revision": head} if head else {}),
        }
        status["health"] = {"status": live["health"]}
        status["reconciledAt"], app["compared"] = stamp(at), at
        app["refresh"] = None
        failed = status["operationState"] and status["operationState"]["phase"] in ("Failed", "Error")
        again = failed and status["operationState"]["syncResult"]["revision"] == head
        idle = app["operation"] is None and app["deleting"] is None
        if app["automated"] and synced == "OutOfSync" and idle and not again and not self.closed(app["project"]):
            self.request(app, head, {"prune": True}, at, automatic=True)
