"""What a system outside knows us by. In Vault it may change at any time: it is read anew once it was refused."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

if TYPE_CHECKING:
    from stoa.adapters.vault import Vault

REFERENCE = "vault:"


class Credential:
    """`setting` is the token itself, or `vault:mount/path#key`. Raises Transient: nothing was sent then."""

    def __init__(self, setting: Secret, vault: "Callable[[], Vault] | None" = None) -> None:
        self._setting = setting
        self._vault = vault

    def value(self) -> Secret:
        return self._read(anew=False)

    def after(self, refused: Secret) -> Secret | None:
        """The one that took the place of `refused`; None when Vault has no other."""
        for anew in (False, True):  # another thread may have read it already
            found = self._read(anew=anew)
            if found.reveal() != refused.reveal():
                return found
        return None

    def _read(self, *, anew: bool) -> Secret:
        reference = self._setting.reveal()
        if self._vault is None or not reference.startswith(REFERENCE):
            return self._setting
        try:
            return self._vault().read(reference, anew=anew).value
        except Transient as error:
            error.sent = False
            raise
        except Refused as error:  # of the platform, not of what was asked for
            raise Transient("vault", error.detail, alarm=True, sent=False) from error


def credential(given: Secret | Credential) -> Credential:
    """A token that never changes is a credential too."""
    return given if isinstance(given, Credential) else Credential(given)
