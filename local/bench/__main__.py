"""`make bench`: every figure beside a bare baseline of the same run; the table, and build/bench.json.

`python -m local.bench launch page` runs only these; without names all of them but the soak.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from local.bench import conversion, consumers, imports, launch, memory, outage, page, read, soak, webhook
from local.bench.lab import NotSeen
from local.bench.parts import folder, parts
from local.bench.rows import Row, table, write
from local.home import ROOT

Measure = Callable[[Console, Path, argparse.Namespace], list[Row]]


def _parts_alone(console: Console, here: Path, _chosen: argparse.Namespace) -> list[Row]:
    with parts(here) as (kafka, environment):
        return webhook.measure(console, here, kafka, environment)


def _read(_console: Console, here: Path, _chosen: argparse.Namespace) -> list[Row]:
    with parts(here) as (_, environment):
        return read.measure(environment["STOA_DATABASE_URL"])
