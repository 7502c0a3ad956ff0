"""CLAP at its true sizes with random weights against the original's loop, acted out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.comparison import Subject, Workload, compare
from tests.bench.measure import Table
from tests.bench.random_weights import CLAP_BASE, ClapSize, cached, write_clap

ORIGINAL = "tests.bench.original_clap"
WORKLOADS = (Workload(4, 30), Workload(1, 30), Workload(2, 180, 1))


def weights(size: ClapSize) -> Path:
    """Unfused CLAP, as on the hub."""
    return cached(f"clap-{size.name}", lambda folder: write_clap(folder, size))


def run(
    *, folders: Mapping[str, Path] | None = None, workloads: Sequence[Workload] = WORKLOADS
) -> list[Table]:
    """Compare HTSAT-tiny and HTSAT-base on clips of 30 s and of 180 s."""
    folders = folders or {size.name: weights(size) for size in (ClapSize(), CLAP_BASE)}
    return [
        compare(
            Subject("clap", f"CLAP, HTSAT-{name}", ORIGINAL, folder),
            workloads,
            ("Aim: 1.5x. Both read pytorch_model.bin without optimizer state.",),
            lanes=3,
        )
        for name, folder in folders.items()
    ]
