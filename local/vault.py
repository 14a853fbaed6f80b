"""Who may do what in the local OpenBao, and the demo's secrets in it."""

import hvac

MOUNT = "secret"

# The functions learn which keys a secret has, never a value; only an AWX job reads values. Where a tenant's messages go
# is a secret too (a Slack webhook is its own password), and one function reads that. The account of a gateway's admin
# API is read by the job that publishes it, and by the proxy where it may go past the published one.
POLICIES = {
    "functions": f'path "{MOUNT}/subkeys/apim/*" {{ capabilities = ["read"] }}',
    "channels": f'path "{MOUNT}/data/channels/*" {{ capabilities = ["read"] }}',
    "awx": f'path "{MOUNT}/data/apim/*" {{ capabilities = ["read"] }}\n'
    f'path "{MOUNT}/data/gateways/*" {{ capabilities = ["read"] }}',
    "gateways": f'path "{MOUNT}/data/gateways/*" {{ capabilities = ["read"] }}',
}
TOKEN_PERIOD = "768h"  # noqa: S105  how long a token lives unless it is renewed


def grant(url: str, root_token: str) -> dict[str, str]:
    """Writes the policies and returns one token for each."""
    client = hvac.Client(url=url, token=root_token)
    tokens = {}
    for name, rules in POLICIES.items():
        client.sys.create_or_update_policy(f"stoa-{name}", rules)
        made = client.auth.token.create(policies=[f"stoa-{name}"], no_default_policy=True, period=TOKEN_PERIOD)
        tokens[name] = str(made["auth"]["client_token"])
    return tokens


def write_secret(url: str, root_token: str, path: str, values: dict[str, str]) -> None:
    """A new version of the secret, unless it has these values already. `path` is without the mount."""
    client = hvac.Client(url=url, token=root_token)
    try:
        held = client.secrets.kv.v2.read_secret_version(path, mount_point=MOUNT, raise_on_deleted_version=False)
    except hvac.exceptions.InvalidPath:
        held = {"data": {"data": None}}
    if held["data"]["data"] != values:
        client.secrets.kv.v2.create_or_update_secret(path, secret=values, mount_point=MOUNT)
