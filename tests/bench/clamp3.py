"""CLAMP3 at its true size with random weights against its own scripts, acted out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.bench.comparison import Subject, Workload, compare
from tests.bench.measure import Table
from tests.bench.random_weights import Clamp3Size, cached, write_clamp3

ORIGINAL = "tests.bench.original_clamp3"
WORKLOADS = (Workload(4, 30), Workload(1, 30), Workload(2, 180, 1))


def weights() -> Path:
    """MERT-v1-95M and CLAMP3 SAAS in their true sizes, optimizer state included."""
    return cached("clamp3", lambda folder: write_clamp3(folder, Clamp3Size()))


def run(*, folder: Path | None = None, workloads: Sequence[Workload] = WORKLOADS) -> list[Table]:
    """Compare on clips of 30 s and of 180 s."""
    subject = Subject("clamp3", "CLAMP3", ORIGINAL, folder or weights())
    aims = "Aims: 2x on clips of 30 s, 1.4x on 180 s. "
    files = "Files as published, the score tower's optimizer state included."
    return [compare(subject, workloads, (aims + files,), lanes=2)]
