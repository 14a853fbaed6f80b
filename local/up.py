"""`stoa up`: the platform on this machine, until Ctrl-C."""

import signal
import threading
import time
from types import FrameType

import requests
from rich.console import Console
from rich.table import Table

from local.commands import GATEWAY_USER
from local.control_plane import ControlPlane
from local.gateway_consumer import Admin
from local.home import Home
from local.identity import demo_users
from local.memories import ARCHIVE
from local.seed import Demo, seed
from local.stack import Options, Stack
from local.watch import Watch
from local.workspace import TENANT, openapi_document

LOOK_EVERY_S = 0.3
API_NAME = f"{TENANT}.orders"


def up(home: Home, options: Options, console: Console) -> None:
    """Starts everything, shows each deployment as it moves, stops everything at SIGINT or SIGTERM."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    def say(what: str, begun: float) -> None:
        console.print(f"  {what} ({time.monotonic() - begun:.1f} s)", highlight=False)

    stack = Stack(home, options, say)
    try:
        stack.start()
        demo = seed(stack)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        control_plane = ControlPlane(stack.url("api"), stack.admin)
        watch = Watch(
            control_plane,
            lambda line: console.print(f"{time.strftime('%H:%M:%S')}  {line}", highlight=False, soft_wrap=True),
        )
        console.print(_places(stack, demo))
        _first_push(demo, stack, console)
        console.print("Edit a file in the working copy and git push. Ctrl-C stops everything; the state stays.\n")
        _follow(stack, watch, console, stopping)
    finally:
        console.print("stopping ...")
        stack.stop()


def _follow(stack: Stack, watch: Watch, console: Console, stopping: threading.Event) -> None:
    admin = Admin(stack.url("gateway"), GATEWAY_USER, stack.home.secret("gateway_password"))
    told = False
    while not stopping.wait(LOOK_EVERY_S):
        try:
            watch.look()
            told = told or _how_to_call(admin, stack, console)
        except requests.RequestException as error:
            console.print(f"[yellow]does not answer: {type(error).__name__}; trying again[/yellow]")
            stopping.wait(2)


def _how_to_call(admin: Admin, stack: Stack, console: Console) -> bool:
    """Once the demo API is active: a key for it, and the call to try."""
    api = admin.api(API_NAME)
    if api is None or not api.get("isActive"):
        return False
    key = admin.subscribe(f"you-{int(time.time())}", api["id"])
    url = f"{stack.url('gateway')}/gateway/{API_NAME}/{api['apiVersion']}/orders"
    console.print(f"\n[bold]Try it:[/bold] curl -H 'x-Gateway-APIKey: {key}' {url}\n", soft_wrap=True)
    return True


def _first_push(demo: Demo, stack: Stack, console: Console) -> None:
    """Until it arrived once: a push that failed left the files behind, and perhaps the commit."""
    if demo.workspace.pushed():
        return
    console.print("pushing the demo API for the first time ...")
    demo.workspace.write_api(stack.url("backend"), openapi_document())
    demo.workspace.push("Add the orders API")


def _places(stack: Stack, demo: Demo) -> Table:
    table = Table(title="STOA on this machine", show_header=False, title_justify="left")
    rows = {
        "HTTP API": stack.url("api"),
        "  its tokens": f"of client stoa-operator: stoa_operator_client_secret in {stack.home.folder}/secrets.json",
        "sign in": f"{stack.url('identity')}/realms/stoa",
        "  as": ", ".join(demo_users()),
        "  password": f"demo_password in {stack.home.folder}/secrets.json, of all of them",
        "Git remote": demo.workspace.remote,
        "working copy": str(demo.workspace.folder),
        "gateway": stack.url("gateway"),
        "AWX": stack.url("awx"),
        "Kafka": stack.kafka.bootstrap,
        "OpenBao": stack.openbao.url,
        "Slack and mail": f"{stack.url('people')}/_emulator/messages",
        "Argo CD": stack.url("argocd"),
        "OpenSearch": stack.url("opensearch"),
        "archive (S3)": f"{stack.url('s3')}/{ARCHIVE}",
        "metrics": f"{stack.url('metrics')}/metrics",
        "logs": str(stack.home.logs),
    }
    for name, place in rows.items():
        table.add_row(name, place)
    return table
