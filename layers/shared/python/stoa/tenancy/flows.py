"""Who calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stoa.kernel.settings import Secret
from stoa.tenancy.model import Caller, caller_of

if TYPE_CHECKING:  # its cryptography takes a third of a cold start, and webhooks do without
    from stoa.adapters.oidc import Issuer


@dataclass(frozen=True)
class Identity:
    issuer: Callable[[], "Issuer"]

    def caller(self, token: str) -> Caller:
        """a request's bearer token -> who calls. Raises Refused 401, Transient when that cannot be found out."""
        return caller_of(self.issuer().claims(token), Secret(token))
