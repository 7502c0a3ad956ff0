"""Inputs that show whether a faster way through a network gives the same vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
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
    expected: Sequence[torch.Tensor], found: Sequence[torch.Tensor]
) -> tuple[float, float]:
    """The lowest cosine of rows, and the largest difference as a share of the largest value."""
    one, two = (torch.cat([part.double() for part in parts]) for parts in (expected, found))
    cosines = torch.nn.functional.cosine_similarity(one, two, dim=1)
    difference = (one - two).abs().max() / one.abs().max().clamp(min=1.0)
    return float(cosines.min()), float(difference)
