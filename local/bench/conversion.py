"""CPU time to convert the largest OpenAPI 3.1 document at hand to 3.0, beside the best public converter.

Both read JSON, convert and write JSON in a fresh process; loading the programs is not counted. What comes out is not
compared: the other one reports no losses and leaves behind what 3.0 does not allow.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from local.bench.rows import Row, row
from local.home import ROOT

HERE = Path(__file__).with_name("converter")
MODULES = ROOT / "build" / "converter"
PLACES = (ROOT.parent / "shared" / "data" / "openapi", ROOT / "tests", ROOT / "openapi")
ROUNDS = 7
LIMIT_S = 300
OURS = """\
import sys, time
from pathlib import Path
from stoa.openapi import convert, parse, to_bytes
path = Path(sys.argv[1])
begun = time.process_time()
to_bytes(convert(parse(path.read_bytes(), name=path.name)).document)
print((time.process_time() - begun) * 1000)
"""


def measure(console: Console) -> list[Row]:
    document = largest()
    if document is None:
        console.print("there is no OpenAPI 3.1 document to convert", style="yellow")
        return []
    name = f"conversion 3.1 to 3.0, {document.name}, {document.stat().st_size / 1024:.0f} kB"
    theirs = public_converter(console)
    ours, baseline = [], []
    for number in range(ROUNDS):
        console.print(f"round {number + 1} of {ROUNDS}: converting {document.name}", highlight=False)
        if theirs is not None:
            baseline.append(theirs(document))
        ours.append(cpu_ms([sys.executable, "-c", OURS, str(document)]))
    beside = "" if theirs is not None else " (nothing beside it: Node or npm is missing)"
    return [row(name + beside, ours, baseline or None)]


def largest() -> Path | None:
    """The largest document in the first place that has one."""
    for place in PLACES:
        found = [path for path in place.rglob("*.json") if is_newer(path)]
        if found:
            return max(found, key=lambda path: path.stat().st_size)
    return None


def is_newer(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and str(content.get("openapi", "")).startswith("3.1")


def public_converter(console: Console) -> Callable[[Path], float] | None:
    """Installs it, as the lock says, at first use; None without Node and npm, or when it cannot be installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    if not (MODULES / "node_modules").exists():
        console.print("installing the public converter (once)")
        MODULES.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, MODULES / name)
        installed = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(installed, cwd=MODULES, check=True, capture_output=True, timeout=LIMIT_S)
    script = str(HERE / "convert.js")
    return lambda document: cpu_ms([node, script, str(MODULES / "node_modules"), str(document)])


def cpu_ms(command: list[str]) -> float:
    """What the process says it used. Raises CalledProcessError."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S, cwd=ROOT)
    return float(done.stdout)
