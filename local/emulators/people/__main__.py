"""`python -m local.emulators.people --port P --smtp-port Q --state DIR`: serves until SIGTERM."""

from local.emulators.people.app import create_app
from local.emulators.people.settings import Config
from local.emulators.serve import parser, serve


def main() -> None:
    options = parser("people")
    options.add_argument("--smtp-port", type=int, required=True, help="port on 127.0.0.1 that takes mail")
    given = options.parse_args()
    config = Config(given.state, f"http://127.0.0.1:{given.port}", given.smtp_port)
    serve(lambda: create_app(config), given.port)


if __name__ == "__main__":
    main()
