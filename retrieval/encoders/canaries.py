"""Inputs that show whether a faster way through a network gives the same vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SAME = 2e-5
"""How far a value may be from PyTorch's, as a share of the largest if that is above 1."""
SAME_DIRECTION = 0.999999
"""Cosine that rows of another runtime must have with PyTorch's."""
CLOSE = 0.9999
"""Cosine that rows in half precision must have with those in single."""


def canary_noise(*shape: int) -> NDArray[np.float32]:
    """White noise of mean 0 and variance 1, the same every time."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def canary_tokens(vocabulary: int) -> list[NDArray[np.int64]]:
    """Batches of token ids, none of them RoBERTa's special ones, to compare results by."""
    rng = np.random.default_rng(0)
    return [rng.integers(4, vocabulary, shape) for shape in ((2, 7), (1, 3), (3, 24))]


def agreement(
    expected: Sequence[NDArray[np.float32]], found: Sequence[NDArray[np.float32]]
) -> tuple[float, float]:
    """The lowest cosine of rows, and the largest difference as a share of the largest value."""
    one, two = (np.concatenate(parts).astype(np.float64) for parts in (expected, found))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    cosines = (one * two).sum(axis=1) / np.maximum(lengths, 1e-16)
    difference = np.abs(one - two).max() / max(1.0, float(np.abs(one).max()))
    return float(cosines.min()), float(difference)
