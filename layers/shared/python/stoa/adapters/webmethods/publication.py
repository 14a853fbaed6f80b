"""The document of an API on the gateway: imported, updated without a lost call, activated, read back."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from stoa.adapters.webmethods import archive, policies
from stoa.adapters.webmethods.gateway import ApiSummary, Gateway, Json
from stoa.adapters.webmethods.generation import Held
from stoa.adapters.webmethods.wanted import Wanted
from stoa.kernel.errors import Refused

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
SERVES_WITHIN_S = 30.0


def find(gateway: Gateway, wanted: Wanted) -> ApiSummary | None:
    """The version that is wanted, if the gateway has it."""
    return next((v for v in gateway.versions(wanted.name) if v.version == wanted.version), None)


def ensure_document(gateway: Gateway, wanted: Wanted, document: bytes, known: Held, *, dry: bool) -> bool:
    """Makes the gateway hold this document under this version.

    An active API is updated by archive overwrite: deactivate, PUT, activate would lose calls.
    """
    present = find(gateway, wanted)
    if present is not None and known.documents.get(wanted.version) == wanted.openapi_sha256:
        return False
    if dry:
        return True
    _drop_staged(gateway, wanted)
    if present is None:
        _add(gateway, wanted, document)
    elif present.active:
        _overwrite(gateway, wanted, present, document)
    else:
        gateway.replace_document(present.id, wanted.name, wanted.version, wanted.openapi_type, document)
    return True


def ensure_policies(gateway: Gateway, wanted: Wanted, *, dry: bool) -> bool:
    present = find(gateway, wanted)
    if present is None:
        return dry
    return policies.ensure(gateway, wanted, _policy_id(gateway, present.id), dry=dry)


def ensure_active(gateway: Gateway, wanted: Wanted, *, dry: bool) -> bool:
    present = find(gateway, wanted)
    if present is not None and present.active:
        return False
    if not dry and present is not None:
        gateway.set_active(present.id, active=True)
    return True


def read_back(gateway: Gateway, wanted: Wanted, document: Mapping[str, Any]) -> str:
    """Compares what the gateway holds and serves with what was sent; returns the API's id.

    Raises Refused READBACK_DIFFERS with the differences.
    """
    present = find(gateway, wanted)
    if present is None:
        raise Refused("READBACK_DIFFERS", f"the gateway has no {wanted.name} {wanted.version}")
    wrong = deviations(gateway, wanted, present, document)
    alias = gateway.alias(wanted.backend_alias)
    if alias is None or alias.get("endPointURI") != wanted.backend["url"].rstrip("/"):
        wrong.append("the backend alias differs")
    refuse_if(wanted, wrong or unserved(gateway, wanted, document))
    return present.id


def deviations(gateway: Gateway, wanted: Wanted, present: ApiSummary, document: Mapping[str, Any]) -> list[str]:
    """What the gateway holds otherwise than it was sent: state, document, policy."""
    wrong = [] if present.active else ["it is not active"]
    differing = policies.differences(gateway, wanted, _policy_id(gateway, present.id))
    sent, got = _shape(document), _shape(gateway.document(present.id))
    wrong += [f"{what} differ" for what in sent if sent[what] != got[what]]
    return wrong + [f"policy action {template} differs" for template in differing]


def unserved(gateway: Gateway, wanted: Wanted, document: Mapping[str, Any]) -> list[str]:
    return [] if _serves(gateway, wanted, document) else ["the data plane does not serve it"]


def refuse_if(wanted: Wanted, wrong: Sequence[str]) -> None:
    """Raises Refused READBACK_DIFFERS with what is wrong, if anything is."""
    if wrong:
        raise Refused("READBACK_DIFFERS", f"{wanted.name} {wanted.version}: {'; '.join(wrong)}")


def remove(gateway: Gateway, wanted: Wanted, *, dry: bool) -> bool:
    """Deletes every version, the newest first; subscriptions go with them."""
    found = [*gateway.versions(wanted.staged_name), *reversed(gateway.versions(wanted.name))]
    for version in found if not dry else ():
        if version.active:
            gateway.set_active(version.id, active=False)
        gateway.delete_api(version.id)
    return bool(found)


def is_gone(gateway: Gateway, wanted: Wanted) -> bool:
    return not gateway.versions(wanted.name)


def _add(gateway: Gateway, wanted: Wanted, document: bytes) -> None:
    versions = gateway.versions(wanted.name)
    if not versions:
        gateway.import_api(wanted.name, wanted.version, wanted.openapi_type, document)
        return
    # the same name with another version is refused: versions are made from the latest one
    made = gateway.add_version(versions[-1].id, wanted.version)
    gateway.replace_document(made, wanted.name, wanted.version, wanted.openapi_type, document)


def _overwrite(gateway: Gateway, wanted: Wanted, present: ApiSummary, document: bytes) -> None:
    staged_id = gateway.import_api(wanted.staged_name, wanted.version, wanted.openapi_type, document)
    try:
        live = gateway.export_archive(present.id)
        gateway.import_archive(archive.with_definition(live, present.id, gateway.api(staged_id)))
    finally:
        gateway.delete_api(staged_id)


def _drop_staged(gateway: Gateway, wanted: Wanted) -> None:
    """What a run that died left behind."""
    for leftover in gateway.versions(wanted.staged_name):
        gateway.delete_api(leftover.id)


def _policy_id(gateway: Gateway, api_id: str) -> str:
    return str(gateway.api(api_id)["policies"][0])


def _shape(document: Mapping[str, Any]) -> Json:
    """What must survive the import: operations, and how many of them ask for what security."""
    paths: Mapping[str, Any] = document.get("paths") or {}
    operations = {f"{m.upper()} {path}" for path, item in paths.items() for m in item if m.lower() in METHODS}
    secured = sum(1 for item in paths.values() for m, op in item.items() if m.lower() in METHODS and op.get("security"))
    return {"operations": operations, "security requirements": (secured, len(document.get("security") or ()))}


def _serves(gateway: Gateway, wanted: Wanted, document: Mapping[str, Any]) -> bool:
    """A call by nobody must be refused, not unknown. An open API would call its backend: not tried."""
    path = next((p for p, item in (document.get("paths") or {}).items() if "get" in item and "{" not in p), None)
    if path is None or wanted.security["type"] not in policies.IDENTIFIED_BY:
        return True
    deadline = time.monotonic() + SERVES_WITHIN_S
    while gateway.runtime_status(wanted.name, wanted.version, path) == 404:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
