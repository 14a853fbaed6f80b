"""The clients that several flows share, built once per container, at first use."""

from functools import cached_property
from typing import TYPE_CHECKING

from stoa.bootstrap_core import Container
from stoa.kernel.settings import Secret

# imported where they are built: see bootstrap.py
if TYPE_CHECKING:
    from stoa.adapters.awx import Awx
    from stoa.adapters.credential import Credential
    from stoa.adapters.gitlab import GitLab
    from stoa.adapters.opensearch import OpenSearch
    from stoa.adapters.vault import Vault


class Clients(Container):
    """Of the systems around us."""

    @cached_property
    def awx(self) -> "Awx":
        from stoa.adapters.awx import Awx  # noqa: PLC0415

        read = self.settings
        return Awx(read.awx_url, self._known_by(read.awx_token), timeout_s=read.awx_timeout_s)

    @cached_property
    def gitlab(self) -> "GitLab":
        from stoa.adapters.gitlab import GitLab  # noqa: PLC0415

        return GitLab(self.settings.gitlab_url, self._known_by(self.settings.gitlab_token))

    def _known_by(self, setting: Secret) -> "Credential":
        from stoa.adapters.credential import Credential  # noqa: PLC0415

        return Credential(setting, lambda: self.systems_vault)

    @cached_property
    def systems_vault(self) -> "Vault":
        from stoa.adapters.vault import Vault  # noqa: PLC0415

        return Vault(self.settings.vault_url, self.settings.systems_vault_token)

    @cached_property
    def vault(self) -> "Vault":
        from stoa.adapters.vault import Vault  # noqa: PLC0415

        return Vault(self.settings.vault_url, self.settings.vault_token)

    @cached_property
    def opensearch(self) -> "OpenSearch":
        from stoa.adapters.opensearch import OpenSearch  # noqa: PLC0415

        read = self.settings
        return OpenSearch(read.opensearch_url, read.opensearch_user, read.opensearch_password)
