"""Small real sound files, made here."""

from __future__ import annotations

import io

import numpy as np
import soundfile


def tone(seconds: float, *, rate: int = 22_050, level: float = 0.5, seed: int = 0) -> bytes:
    """A WAV file of a few beating tones with some noise on top."""
    t = np.arange(int(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    sound = np.sin(2 * np.pi * 220 * t) + 0.5 * np.sin(2 * np.pi * 331 * t)
    sound = level * (
        sound * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t)) + 0.02 * rng.normal(size=len(t))
    )
    buffer = io.BytesIO()
    soundfile.write(buffer, (0.5 * sound).astype(np.float32), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
