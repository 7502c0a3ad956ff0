"""How far one array is from another."""

from __future__ import annotations

from typing import Any

import numpy as np


def farthest(one: Any, other: Any) -> float:
    """The largest difference of two arrays of one shape."""
    first, second = np.asarray(one), np.asarray(other)
    assert first.shape == second.shape
    return float(np.abs(first.astype(np.float64) - second).max())


def report(kind: str, **found: float) -> None:
    """Print differences, for ``pytest -s``."""
    print(kind, *(f"{name} {value:.1e}" for name, value in found.items()), sep=", ")
