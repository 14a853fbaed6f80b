"""What every step of a run shares: the request, the gateway of the AWX credential, how an error is told."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from stoa.adapters.vault import SecretValue, read_secret
from stoa.adapters.webmethods import exposure
from stoa.adapters.webmethods.gateway import Gateway
from stoa.adapters.webmethods.wanted import SCHEMA, Wanted, check, wanted
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

# what AWX itself adds to every job
OWN_TO_AWX = ("awx_", "tower_")


def credential(name: str) -> str:
    """A variable of the AWX credential. Raises Refused when it is absent or empty: there are no defaults."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise Refused("CREDENTIAL_MISSING", f"the AWX credential does not set {name}")
    return value


class Step(ActionBase):
    """A subclass implements `step` and returns facts; `changed` and errors are dealt with here."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        asked = load_extra_vars(self._loader)
        request = {name: value for name, value in asked.items() if not name.startswith(OWN_TO_AWX)}
        # a step serves a run that asks for it, whichever of the two kinds of request that is
        of_admin_api = request.get("action") == exposure.ACTION
        try:
            check(request, exposure.SCHEMA if of_admin_api else SCHEMA)
            _same_environment(request["environment"])
            result.update(self.step(exposure.exposure(request) if of_admin_api else wanted(request), self._task.args))
        except Refused as error:
            raise AnsibleActionFail(
                f"{error.code}: {error.detail}", result={"code": error.code, "detail": error.detail}
            ) from None
        except Transient as error:
            code = f"{error.system.upper()}_UNAVAILABLE"
            raise AnsibleActionFail(f"{code}: {error.detail}", result={"code": code, "detail": error.detail}) from None
        return result

    @property
    def dry(self) -> bool:
        return bool(self._task.check_mode)

    @property
    def gateway(self) -> Gateway:
        return Gateway(credential("GATEWAY_URL"), credential("GATEWAY_USER"), Secret(credential("GATEWAY_PASSWORD")))

    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        """The facts of this step; `changed` among them."""
        raise NotImplementedError


class ExposureStep(Step):
    """A step that only expose-admin-api has."""

    def step(self, request: Wanted, args: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(request, exposure.Exposure):
            raise Refused("ACTION_MISMATCH", f"the request is to {request.action}", field="action")
        return self.expose(request, args)

    def expose(self, request: exposure.Exposure, args: dict[str, Any]) -> dict[str, Any]:
        """As `step`."""
        raise NotImplementedError


def _same_environment(asked: str) -> None:
    """A credential of dev must not serve a run that was meant for prod."""
    mine = credential("STOA_ENVIRONMENT")
    if asked != mine:
        raise Refused("ENVIRONMENT_MISMATCH", f"the run is for {asked}, the AWX credential for {mine}")


def secrets_of(request: Wanted) -> dict[str, SecretValue]:
    """The values behind the request's references, read from Vault inside this run."""
    authentication = request.authentication
    if authentication is None:
        return {}
    url, token = credential("VAULT_ADDR"), Secret(credential("VAULT_TOKEN"))
    references = (authentication["username_ref"], authentication["password_ref"])
    return {reference: read_secret(url, token, reference) for reference in references}
