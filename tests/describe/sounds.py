"""Sounds as descriptors hear them."""

from __future__ import annotations

import numpy as np

from retrieval.audio import Sound as Decoded
from retrieval.describe.intake import hear
from retrieval.describe.protocol import Sound
from tests.signals import RATE, Samples


def heard(samples: Samples, rate: int = RATE) -> Sound:
    """Mono (n,) or (n, channels) samples on their usual way."""
    shaped = samples[:, None] if samples.ndim == 1 else samples
    return hear(Decoded(np.ascontiguousarray(shaped, dtype=np.float32), rate, "wav"))
