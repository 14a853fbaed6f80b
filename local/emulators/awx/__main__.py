"""`python -m local.emulators.awx --port P --state DIR --playbooks DIR --executor ansible|direct [--slots 2]`.

Serves until SIGTERM. AWX_TOKEN, AWX_USER and AWX_PASSWORD are read from the environment; without them it does not
start. AWX_CREDENTIAL_<NAME> becomes <NAME> in the environment of each run.
"""

import os
import sys
from pathlib import Path

from local.emulators.awx.app import create_app
from local.emulators.awx.settings import EXECUTORS, Config
from local.emulators.serve import parser, serve

CREDENTIAL = "AWX_CREDENTIAL_"


def main() -> None:
    options = parser("awx")
    options.add_argument("--playbooks", type=Path, required=True, help="the folder of the project")
    options.add_argument("--executor", choices=EXECUTORS, default=EXECUTORS[0], help="what runs a job")
    options.add_argument("--slots", type=int, default=2, help="how many jobs run at once")
    given = options.parse_args()
    config = Config(
        state=given.state,
        playbooks=given.playbooks,
        token=os.environ.get("AWX_TOKEN", ""),
        user=os.environ.get("AWX_USER", ""),
        password=os.environ.get("AWX_PASSWORD", ""),
        executor=given.executor,
        slots=given.slots,
        credential={
            name.removeprefix(CREDENTIAL): value for name, value in os.environ.items() if name.startswith(CREDENTIAL)
        },
        notification_url=os.environ.get("AWX_NOTIFICATION_URL", ""),
        notification_token=os.environ.get("AWX_NOTIFICATION_TOKEN", ""),
        url=f"http://127.0.0.1:{given.port}",
    )
    if not config.token or not config.user or not config.password:
        sys.exit("AWX_TOKEN, AWX_USER and AWX_PASSWORD must be set")
    serve(lambda: create_app(config), given.port)


if __name__ == "__main__":
    main()
