"""What a benchmark found: one row per figure, each beside a bare baseline of the same run where there is one."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True)
class Row:
    """`value` and `baseline` are medians, `spread` the least and the greatest of ours; `bar` says what must hold."""

    name: str
    unit: str
    value: float
    spread: tuple[float, float]
    baseline: float | None
    ratio: float | None
    bar: str
    holds: bool


def row(
    name: str,
    ours: Sequence[float],
    baseline: Sequence[float] | None = None,
    *,
    unit: str = "ms",
    at_most: float | None = None,
    at_most_ratio: float | None = None,
    at_least_ratio: float | None = None,
) -> Row:
    """Medians of interleaved rounds; without a bar the row always holds."""
    value = statistics.median(ours)
    base = statistics.median(baseline) if baseline else None
    ratio = value / base if base else None
    within = at_most is None or value < at_most
    near = at_most_ratio is None or (ratio is not None and ratio <= at_most_ratio)
    enough = at_least_ratio is None or (ratio is not None and ratio >= at_least_ratio)
    bars = [f"< {at_most:g} {unit}"] if at_most is not None else []
    bars += [f"<= {at_most_ratio:g}x"] if at_most_ratio is not None else []
    bars += [f">= {at_least_ratio:g}x"] if at_least_ratio is not None else []
    return Row(
        name=name,
        unit=unit,
        value=round(value, 2),
        spread=(round(min(ours), 2), round(max(ours), 2)),
        baseline=round(base, 2) if base else None,
        ratio=round(ratio, 2) if ratio else None,
        bar=", ".join(bars) or "none",
        holds=within and near and enough,
    )


def at(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def table(rows: Sequence[Row]) -> Table:
    made = Table("what", "value", "from .. to", "baseline", "ratio", "bar", "holds")
    for one in rows:
        figures = (f"{one.value:g} {one.unit}", f"{one.spread[0]:g} .. {one.spread[1]:g}")
        beside = (f"{one.baseline:g}" if one.baseline else "-", f"{one.ratio:g}" if one.ratio else "-")
        made.add_row(one.name, *figures, *beside, one.bar, "yes" if one.holds else "NO")
    return made


def write(rows: Sequence[Row], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(one) for one in rows], indent=2) + "\n")
