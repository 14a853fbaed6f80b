"""Who acts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """`id` is stable and holds no personal data: a Keycloak `sub`, `gitlab:<user id>` or `machine:<name>`."""

    id: str


SYSTEM = Actor("machine:stoa")
