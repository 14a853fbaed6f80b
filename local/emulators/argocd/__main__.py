"""`ARGOCD_TOKEN=.. python -m local.emulators.argocd --port P --state DIR`."""

import os
import sys
from pathlib import Path

from local.emulators.argocd.app import create_app
from local.emulators.argocd.settings import Config
from local.emulators.serve import parser, serve


def main() -> None:
    options = parser("argocd")
    options.add_argument("--repositories", type=Path, help="folder of bare repositories that the ApplicationSet reads")
    given = options.parse_args()
    token = os.environ.get("ARGOCD_TOKEN", "")
    if not token:
        sys.exit("ARGOCD_TOKEN must be set")
    config = Config(given.state, token, os.environ.get("ARGOCD_PASSWORD", ""), given.repositories)
    serve(lambda: create_app(config), given.port)


if __name__ == "__main__":
    main()
