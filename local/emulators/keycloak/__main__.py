"""`DEMO_PASSWORD=.. python -m local.emulators.keycloak --port P --state DIR --realm FILE [--users FILE]`."""

import os
import sys
from pathlib import Path

from local.emulators.keycloak.app import create_app
from local.emulators.keycloak.settings import Config
from local.emulators.serve import parser, serve


def main() -> None:
    options = parser("keycloak")
    options.add_argument("--realm", type=Path, required=True, help="the realm, as Keycloak imports it")
    options.add_argument("--users", type=Path, help="more users, as Keycloak imports them")
    given = options.parse_args()
    config = Config(given.state, f"http://127.0.0.1:{given.port}", given.realm, os.environ, given.users)
    try:
        app = create_app(config)
    except ValueError as error:
        sys.exit(str(error))
    serve(lambda: app, given.port)


if __name__ == "__main__":
    main()
