"""Clips of sound, each its own recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100


def write_clips(folder: Path, count: int, seconds: float) -> Path:
    """Stereo WAV files ``clip0.wav``…, 16 bits, of wavering tones in noise; returns the folder."""
    folder.mkdir(parents=True)
    time = np.arange(round(seconds * RATE), dtype=np.float32) / RATE
    for number in range(count):
        rng = np.random.default_rng([number, count, len(time)])
        tones = np.zeros_like(time)
        for pitch, speed in zip(rng.uniform(60, 6_000, 5), rng.uniform(0.1, 4, 5), strict=True):
            waver = 1 + np.sin(np.float32(2 * np.pi * speed) * time)
            tones += 0.05 * waver * np.sin(np.float32(2 * np.pi * pitch) * time)
        noise = 0.03 * rng.standard_normal((len(time), 2), dtype=np.float32)
        soundfile.write(folder / f"clip{number}.wav", tones[:, None] + noise, RATE)
    return folder
