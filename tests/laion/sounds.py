"""Windows to compare by: made, and cut from recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from retrieval.encoders.clap_windows import SAMPLE_RATE, SAMPLES
from tests import signals
from tests.signals import Samples

RECORDINGS = sorted((Path(__file__).parents[3] / "shared/audio").glob("*.ogg"))


def made() -> dict[str, Samples]:
    """Full windows and short ones, which are repeated; loud and quiet, tonal and noisy."""
    rate = SAMPLE_RATE
    song = signals.song(1, 10.0, rate).mean(axis=1, dtype=np.float32)[:SAMPLES]
    return {
        "song": song,
        "one sample short": song[: SAMPLES - 1],
        "just over a half": song[: SAMPLES // 2 + 1],
        "a third": signals.song(2, 3.34, rate).mean(axis=1, dtype=np.float32),
        "a blink": signals.noise(0.02, rate, seed=3),
        "clipped": signals.noise(10.0, rate, level=1.0, seed=4),
        "quiet": signals.noise(10.0, rate, level=0.0005, seed=5, band=(100.0, 900.0)),
        "glide": signals.glide(200.0, 900.0, 10.0, rate),
        "clicks": signals.clicks(132.0, 10.0, rate),
    }


def tones() -> dict[str, Samples]:
    """Sounds with nothing at all between their partials."""
    rate = SAMPLE_RATE
    return {
        "sine": signals.sine(440.0, 10.0, rate),
        "full sine": signals.sine(440.0, 10.0, rate, level=0.99),
        "triad": sum(signals.sine(f, 10.0, rate, 0.2) for f in (261.6, 329.6, 392.0)),
        "chords": signals.chords([60, 65, 67, 60, 60, 65, 67, 60], minor=True, rate=rate),
    }


def recorded() -> dict[str, Samples]:
    """Of every recording a full window, or its rest where that is at least a second."""
    windows = {}
    for number, path in enumerate(RECORDINGS):
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = soxr.resample(sound.mean(axis=1), rate, SAMPLE_RATE).astype(np.float32)
        rest = mono[len(mono) // SAMPLES * SAMPLES :]
        short = number % 2 == 1 and len(rest) >= SAMPLE_RATE
        windows[f"{path.stem}{', the rest' if short else ''}"] = rest if short else mono[:SAMPLES]
    return windows
