"""What only the emulator has: the ApplicationSet, how an application fares, sync windows, timing."""

from dataclasses import asdict, fields
from typing import Any

from local.emulators.argocd.answers import INVALID, NOT_FOUND, Json, Refusal
from local.emulators.argocd.controller import WINDOWS
from local.emulators.argocd.documents import HEALTH, KIND, OUTCOMES, TEMPLATE
from local.emulators.argocd.generator import Generator
from local.emulators.argocd.resources import Call


def applicationset(generator: Generator, call: Call) -> Any:
    """`{"applications": {name: {project, target, automated, head, labels}}}`: those, and no other of its own."""
    wanted = call.body.get("applications")
    if not isinstance(wanted, dict) or not all(
        isinstance(t, dict) and t.keys() <= TEMPLATE.keys() for t in wanted.values()
    ):
        raise Refusal(INVALID, f"applications is an object of objects with {', '.join(TEMPLATE)}")
    generator.set_desired(wanted)
    generator.generate(call.now)
    return {"applications": wanted}


def application(call: Call) -> Any:
    """`head`: where its target is now; `outcome`, `message` and `health`: how coming operations go; `live`: how its
    resources fare from now on, which the next comparison sees."""
    with call.controller.store.lock:
        app = call.controller.look(call.name, call.now)
        if app is None:
            raise Refusal(NOT_FOUND, "no such application")
        _check(call.body)
        app["next"] |= {key: call.body[key] for key in app["next"] if key in call.body}
        app["head"] = call.body.get("head", app["head"])
        app["live"]["health"] = call.body.get("live", app["live"]["health"])
        call.controller.store.put(KIND, call.name, app)
        return app


def windows(call: Call) -> Any:
    """`{project: true}`: a window that denies every sync, by hand as well."""
    if not all(isinstance(closed, bool) for closed in call.body.values()):
        raise Refusal(INVALID, "windows are {project: true or false}")
    call.controller.store.put(WINDOWS, WINDOWS, call.body)
    return call.body


def timing(call: Call) -> Any:
    known = [field.name for field in fields(call.controller.timing)]
    if not all(name in known and type(value) in (int, float) for name, value in call.body.items()):
        raise Refusal(INVALID, f"seconds: {', '.join(known)}")
    for name, value in call.body.items():
        setattr(call.controller.timing, name, float(value))
    return asdict(call.controller.timing)


def _check(body: Json) -> None:
    allowed = {"head": None, "message": None, "outcome": OUTCOMES, "health": HEALTH, "live": HEALTH}
    wrong = [n for n, v in body.items() if n not in allowed or (allowed[n] is not None and v not in (allowed[n] or ()))]
    if wrong:
        raise Refusal(INVALID, f"not usable: {', '.join(wrong)}")
