"""Runs one emulator on 127.0.0.1 until SIGTERM or SIGINT."""

import argparse
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


def parser(name: str) -> argparse.ArgumentParser:
    """The options every emulator has; an emulator adds its own before it calls `serve`."""
    options = argparse.ArgumentParser(prog=f"python -m local.emulators.{name}", description=__doc__)
    options.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    options.add_argument("--state", type=Path, required=True, help="folder that keeps the state over a restart")
    return options


def serve(build: Callable[[], ASGIApp], port: int) -> None:
    """Serves the application that `build` makes; prints one line when it listens."""
    config = uvicorn.Config(build(), host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="on")
    uvicorn.Server(config).run()
