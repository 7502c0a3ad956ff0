"""Quantiles, medians over rounds, and the table they are told in."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_SHOWN = {
    "qdrant-edge-py": "qdrant_edge",
    "grpcio": "grpc",
    "numpy": "numpy",
    "torch": "torch",
    "transformers": "transformers",
    "onnxruntime": "onnxruntime",
}
"""Packages whose versions are told, by what they are imported as."""


def quantile(values: Sequence[float], q: float) -> float:
    """The nearest-rank quantile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def seconds_each(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Wall-clock seconds of each call, one after the other."""
    spent = []
    for call in calls:
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return spent


def interleaved(
    sides: Mapping[str, Sequence[Callable[[], object]]], *, block: int = 50
) -> dict[str, list[float]]:
    """Seconds of every call of every side, in turns, so that noise falls on all alike."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    longest = max(len(calls) for calls in sides.values())
    for start in range(0, longest, block):
        for name, calls in sides.items():
            spent[name] += seconds_each(calls[start : start + block])
    return spent


def median(values: Sequence[float]) -> float:
    """The median of the rounds."""
    return statistics.median(values)


@dataclass(frozen=True, slots=True)
class Table:
    """What a section measured: rows of cells under a heading, and remarks below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()


def show(table: Table) -> None:
    """Print one table, the first column to the left, the others to the right."""
    widths = [
        max(len(row[i]) for row in (table.columns, *table.rows)) for i in range(len(table.columns))
    ]
    print(f"\n{table.title}")
    for row in (table.columns, *table.rows):
        first, *rest = (cell for cell in row)
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  " + "  ".join(cells).rstrip())
    for remark in table.remarks:
        print(f"  {remark}")


def machine() -> str:
    """What the figures were taken on, and when."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {version(name)}" for name in _SHOWN if find_spec(_SHOWN[name]))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {model}, {cores} cores{load} · "
        f"Python {platform.python_version()}, {versions}"
    )


def ms(seconds: float) -> str:
    """Milliseconds to two decimals."""
    return f"{1000 * seconds:.2f} ms"


def times(ratio: float) -> str:
    """A ratio."""
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"
