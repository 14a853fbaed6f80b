"""Who may do what in the local OpenBao, and the demo's secrets in it."""

import hvac

from stoa.adapters.vault_token import APPROLE

MOUNT = "secret"

# The functions learn which keys a secret has, never a value; only an AWX job reads values. Where a tenant's messages go
# is a secret too (a Slack webhook is its own password), and one function reads that. What AWX and GitLab know us by is
# read by the functions that ask them. The account of a gateway's admin API is read by the job that publishes it, and by
# the proxy where it may go past the published one.
READ = {
    "functions": ("subkeys/apim/*",),
    "channels": ("data/channels/*",),
    "systems": ("data/systems/*",),
    "awx": ("data/apim/*", "data/gateways/*"),
    "gateways": ("data/gateways/*",),
}
RENEW = 'path "auth/token/renew-self" { capabilities = ["update"] }'
TOKEN_PERIOD = "768h"  # noqa: S105  how long a token lives unless it is renewed
TOKEN_TTL = "1h"  # noqa: S105  of one that is got by AppRole
JOBS = "awx"


def grant(url: str, root_token: str) -> dict[str, str]:
    """Writes the policies and returns a credential for each: AppRoles, and a token for what a job gets."""
    client = hvac.Client(url=url, token=root_token)
    if "approle/" not in client.sys.list_auth_methods()["data"]:
        client.sys.enable_auth_method("approle")
    for name, paths in READ.items():
        rules = [f'path "{MOUNT}/{path}" {{ capabilities = ["read"] }}' for path in paths]
        client.sys.create_or_update_policy(f"stoa-{name}", "\n".join((*rules, RENEW)))
    made = client.auth.token.create(policies=[f"stoa-{JOBS}"], no_default_policy=True, period=TOKEN_PERIOD)
    return {name: _approle(client, name) for name in READ if name != JOBS} | {JOBS: str(made["auth"]["client_token"])}


def _approle(client: hvac.Client, name: str) -> str:
    role, fields = f"stoa-{name}", {"token_policies": [f"stoa-{name}"], "token_no_default_policy": True}
    client.auth.approle.create_or_update_approle(role, **fields, token_ttl=TOKEN_TTL, secret_id_ttl=TOKEN_PERIOD)
    role_id = client.auth.approle.read_role_id(role)["data"]["role_id"]
    return f"{APPROLE}{role_id}:{client.auth.approle.generate_secret_id(role)['data']['secret_id']}"


def write_secret(url: str, root_token: str, path: str, values: dict[str, str]) -> None:
    """A new version of the secret, unless it has these values already. `path` is without the mount."""
    client = hvac.Client(url=url, token=root_token)
    try:
        held = client.secrets.kv.v2.read_secret_version(path, mount_point=MOUNT, raise_on_deleted_version=False)
    except hvac.exceptions.InvalidPath:
        held = {"data": {"data": None}}
    if held["data"]["data"] != values:
        client.secrets.kv.v2.create_or_update_secret(path, secret=values, mount_point=MOUNT)
