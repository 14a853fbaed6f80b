"""Policy actions: the steps that policies refer to."""

from starlette.requests import Request
from starlette.responses import Response

from local.emulators.webmethods.answers import NULL_POINTER, Json, answer, nothing, refuse
from local.emulators.webmethods.apis import page
from local.emulators.webmethods.gateway import Gateway, json_object, new_id, note
from local.emulators.webmethods.policies import BAD_PAYLOAD, redeploy
from local.emulators.webmethods.records import names
from local.emulators.webmethods.templates import BadPayload, Dies, check_action


def _checked(body: Json) -> Json:
    """The action inside the envelope. Refuses what its template does not take."""
    action = body.get("policyAction")
    try:
        check_action(action)
    except BadPayload as error:
        raise refuse(400, BAD_PAYLOAD) from error
    except Dies as error:
        raise refuse(500, NULL_POINTER) from error
    assert isinstance(action, dict)  # noqa: S101 - check_action has seen to it
    return action


def _record(action_id: str, action: Json) -> Json:
    template = action["templateKey"]
    shown = names("Identify & Authorize") if template == "evaluatePolicy" else action.get("names") or names(template)
    return {
        "id": action_id,
        "names": shown,
        "templateKey": template,
        "parameters": action.get("parameters", []),
        "active": action.get("active") is True,
    }


async def create(gateway: Gateway, request: Request) -> Response:
    action = _record(new_id(), _checked(await json_object(request)))
    gateway.store.put("policyAction", action["id"], action)
    note(request, action_id=action["id"], template=action["templateKey"])
    return answer({"policyAction": action}, gateway.variants.created_status)


async def list_actions(gateway: Gateway, request: Request) -> Response:
    query = request.query_params
    actions = page(gateway.store.all("policyAction"), query.get("from"), query.get("size"))
    return answer({"policyAction": actions})


async def read(gateway: Gateway, request: Request) -> Response:
    action = gateway.store.get("policyAction", request.path_params["id"])
    if action is None:
        raise refuse(404, f" Unable to find the resource: {request.path_params['id']}")
    return answer({"policyAction": action})


async def update(gateway: Gateway, request: Request) -> Response:
    """A body without the envelope answers 200 and stores nothing; an unknown id is a 500."""
    action_id = request.path_params["id"]
    action = gateway.store.get("policyAction", action_id)
    body = await json_object(request)
    if action is None:
        text = f" Unable to process the PUT request for APIs. Reason: Unable to find the resource: {action_id}"
        raise refuse(500, text)
    if not isinstance(body.get("policyAction"), dict):
        return answer({"policyAction": action})
    wanted = {"templateKey": action["templateKey"], **body["policyAction"]}
    changed = _record(action_id, _checked({"policyAction": wanted}))
    gateway.store.put("policyAction", action_id, changed)
    for policy in gateway.store.found("policy", f"action {action_id}"):
        redeploy(gateway, policy["id"], request)
    return answer({"policyAction": changed})


async def delete(gateway: Gateway, request: Request) -> Response:
    """Removes it even where a policy still refers to it; that API is corrupt from then on."""
    action_id = request.path_params["id"]
    if gateway.store.get("policyAction", action_id) is None:
        raise refuse(404, f" Unable to find the resource: {action_id}")
    gateway.store.drop("policyAction", action_id)
    return nothing()
