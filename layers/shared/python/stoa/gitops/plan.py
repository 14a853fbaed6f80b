"""What a push leads to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stoa.authoring.events import Authored
from stoa.deployments.events import AUTO_DEPLOY, Wanted, approval_required
from stoa.gitops.model import Affected, Api, Effects
from stoa.gitops.model_apis import Apis
from stoa.repository.iam import Iam


@dataclass(frozen=True)
class Plan:
    """What a push leads to: deployments to ask for, what was left out with the reason, what it means for APIs and for
    members. `people` made its commits, None when nobody can tell; `authored` are those that the platform made for
    somebody, `actors` who that was for which API."""

    state: str
    wanted: tuple[Wanted, ...] = ()
    left_out: tuple[dict[str, Any], ...] = ()
    apis: Apis | None = None
    iam: Iam | None = None
    people: frozenset[str] | None = None
    authored: tuple[Authored, ...] = ()
    actors: Mapping[Api, str] = field(default_factory=dict)


def planned(found: Effects, tenants: frozenset[str]) -> Plan:
    wanted, left_out = [], list(found.refused)
    for item in found.items:
        if item.tenant not in tenants:
            left_out.append(item.left_out("TENANT_NOT_REGISTERED", "the project may not touch this tenant"))
        elif item.environment in AUTO_DEPLOY:
            wanted.append(_wanted(item))
        elif item.own_file:
            wanted.append(_wanted(item, refused=approval_required().problem()))
    return Plan("done", tuple(wanted), tuple(left_out))


def _wanted(item: Affected, refused: dict[str, Any] | None = None) -> Wanted:
    wanted = Wanted(tenant=item.tenant, api=item.api, environment=item.environment, action=item.action)
    if refused is not None:
        wanted["refused"] = refused
    return wanted
