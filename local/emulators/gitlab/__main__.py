"""`GITLAB_TOKEN=.. python -m local.emulators.gitlab --port P --state DIR`."""

import os
import sys

from local.emulators.gitlab.app import create_app
from local.emulators.gitlab.settings import Config
from local.emulators.serve import parser, serve


def main() -> None:
    given = parser("gitlab").parse_args()
    token = os.environ.get("GITLAB_TOKEN", "")
    if not token:
        sys.exit("GITLAB_TOKEN must be set")
    url = f"http://127.0.0.1:{given.port}"
    config = Config(given.state, token, url, os.environ.get("GITLAB_READ_TOKEN", ""))
    serve(lambda: create_app(config), given.port)


if __name__ == "__main__":
    main()
