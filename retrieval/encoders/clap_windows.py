"""What CLAP takes, whichever code runs it: windows of 10 s at 48 kHz, and short texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import DenseVector
from retrieval.encoders.protocol import Windowing

SAMPLE_RATE = 48_000
SAMPLES = 480_000
WINDOWING = Windowing(length=10.0, hop=10.0, minimum=1.0, align_last=True)
"""A rest of less than a second, which is padding more often than music, gets no window."""
PEAK = 32_767.0
LONGEST_TEXT = 77
"""Tokens of a text, as in training."""
COLLAPSED = 0.95
"""Cosine of two canaries that a working text tower stays below."""


def to_int16(window: NDArray[np.float32]) -> NDArray[np.int16]:
    """Clip to full scale and cut to 16 bits, towards zero, as CLAP's training did."""
    return (np.clip(window[:SAMPLES], -1.0, 1.0) * np.float32(PEAK)).astype(np.int16)


def fill(window: NDArray[np.int16]) -> NDArray[np.int16]:
    """10 s of a window of 1 to 480,000 samples: as often as it fits whole, and zeros for the rest.

    What LAION calls repeatpad.
    """
    if len(window) == SAMPLES:
        return window
    filled = np.zeros(SAMPLES, dtype=np.int16)
    times = SAMPLES // len(window)
    filled[: times * len(window)] = np.tile(window, times)
    return filled


def mean_direction(vectors: NDArray[np.float32], durations: NDArray[np.float64]) -> DenseVector:
    """The mean of window vectors (n, dim), each by its length in seconds (n,), of length 1."""
    mean = (durations / durations.sum()) @ vectors.astype(np.float64)
    norm = float(np.linalg.norm(mean))
    # Windows that cancel out have no mean direction; the first is as good as any.
    return np.asarray(mean / norm if norm > 1e-9 else vectors[0], dtype=np.float32)
