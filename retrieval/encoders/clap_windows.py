"""What CLAP hears: windows of 10 s at 48 kHz, in 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.protocol import Windowing

SAMPLE_RATE = 48_000
SAMPLES = 480_000
WINDOWING = Windowing(length=10.0, hop=10.0, minimum=1.0, align_last=True)
"""A rest of less than a second, which is padding more often than music, gets no window."""
PEAK = 32_767.0


def to_int16(window: NDArray[np.float32]) -> NDArray[np.int16]:
    """Clip to full scale and cut to 16 bits, towards zero, as CLAP's training did."""
    return (np.clip(window[:SAMPLES], -1.0, 1.0) * np.float32(PEAK)).astype(np.int16)
