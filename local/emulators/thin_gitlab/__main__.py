"""`python -m local.emulators.thin_gitlab --port P --state DIR`: serves until SIGTERM.

GITLAB_TOKEN is read from the environment: the API token, and the password of git; without it it does not start.
"""

import os
import sys

from local.emulators.thin_gitlab.app import create_app
from local.emulators.thin_gitlab.settings import Config
from local.emulators.serve import parser, serve


def main() -> None:
    given = parser("gitlab").parse_args()
    token = os.environ.get("GITLAB_TOKEN", "")
    if not token:
        sys.exit("GITLAB_TOKEN must be set")
    config = Config(given.state, token, f"http://127.0.0.1:{given.port}")
    serve(lambda: create_app(config), given.port)


if __name__ == "__main__":
    main()
