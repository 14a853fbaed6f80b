"""`python -m local.emulators.webmethods --port P --state DIR`: serves until SIGTERM.

GATEWAY_USER and GATEWAY_PASSWORD are read from the environment; without them it does not start.
"""

import os
import sys

from local.emulators.serve import parser, serve
from local.emulators.webmethods.app import create_app
from local.emulators.webmethods.settings import Config


def main() -> None:
    options = parser("webmethods")
    options.add_argument("--activation-ms", type=int, help="how long activation and deactivation take")
    options.add_argument("--import-ms", type=int, help="how long imports and updates of a definition take")
    given = options.parse_args()
    user, password = os.environ.get("GATEWAY_USER", ""), os.environ.get("GATEWAY_PASSWORD", "")
    if not user or not password:
        sys.exit("GATEWAY_USER and GATEWAY_PASSWORD must be set")
    config = Config(given.state, user, password, given.activation_ms, given.import_ms)
    serve(lambda: create_app(config), given.port)


if __name__ == "__main__":
    main()
