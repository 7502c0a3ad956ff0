"""What the ear hears: a log-mel spectrogram for timbre and rhythm, and a semitone map for harmony.

NumPy only. Both are relative to the loudest moment of the window, so that the level of a recording
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22_050
SECONDS = 10.0
MEL_FRAME, MEL_HOP, MEL_BANDS = 1_024, 441, 64
LOWEST, HIGHEST = 40.0, 10_500.0
"""Hz, of the mel bands."""
PITCH_FRAME, PITCH_HOP = 8_192, 4_410
PITCH_LOW, PITCH_OCTAVES, PITCH_STEPS = 36, 6, 24
"""MIDI number of the lowest pitch, octaves, and bins an octave."""
RANGE = 80.0
"""dB below the loudest moment that are heard."""
_SHORTEST = PITCH_FRAME

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One window.

    Attributes:
        mel: (MEL_BANDS, frames), 50 frames a second; 255 is the loudest, 0 is ``RANGE`` below.
        pitch: (PITCH_OCTAVES * PITCH_STEPS, frames), 5 frames a second, in the same units.
    """

    mel: Image
    pitch: Image


def listen(window: NDArray[np.float32]) -> Heard:
    """The two pictures of a mono window at ``SAMPLE_RATE``; a very short one is repeated."""
    if len(window) < _SHORTEST:
        window = np.resize(window, _SHORTEST)
    mel = _power(window, MEL_FRAME, MEL_HOP) @ mel_bands().T
    pitch = _power(window, PITCH_FRAME, PITCH_HOP) @ pitch_bands().T
    return Heard(_decibels(mel), _decibels(pitch))


def _power(window: NDArray[np.float32], frame: int, hop: int) -> NDArray[np.float32]:
    frames = np.lib.stride_tricks.sliding_window_view(window, frame)[::hop]
    spectrum = np.fft.rfft(frames * _hann(frame), axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)


def _decibels(power: NDArray[np.float32]) -> Image:
    peak = max(float(power.max(initial=0.0)), 1e-12)
    level = 10.0 * np.log10(np.maximum(power / peak, 1e-12))
    scaled = 255.0 * (1.0 + np.maximum(level, -RANGE) / RANGE)
    return np.ascontiguousarray(np.rint(scaled).astype(np.uint8).T)


@cache
def _hann(frame: int) -> NDArray[np.float32]:
    return np.hanning(frame + 1)[:-1].astype(np.float32)


@cache
def mel_bands() -> NDArray[np.float32]:
    """Triangles of equal height on the mel scale of O'Shaughnessy (1987): (bands, bins)."""

    def mel(hertz: float) -> float:
        return 2595.0 * float(np.log10(1.0 + hertz / 700.0))

    edges = np.linspace(mel(LOWEST), mel(HIGHEST), MEL_BANDS + 2)
    hertz = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
    return _triangles(hertz[:-2], hertz[1:-1], hertz[2:], MEL_FRAME)


@cache
def pitch_bands() -> NDArray[np.float32]:
    """Triangles around every quarter-tone, as wide as one: (bins, bins of the FFT)."""
    notes = PITCH_LOW + np.arange(PITCH_OCTAVES * PITCH_STEPS) * (12.0 / PITCH_STEPS)

    def hertz(midi: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.asarray(440.0 * 2.0 ** ((midi - 69.0) / 12.0), dtype=np.float64)

    width = 12.0 / PITCH_STEPS
    return _triangles(hertz(notes - width), hertz(notes), hertz(notes + width), PITCH_FRAME)


def _triangles(
    low: NDArray[np.float64], centre: NDArray[np.float64], high: NDArray[np.float64], frame: int
) -> NDArray[np.float32]:
    bins = np.arange(frame // 2 + 1) * (SAMPLE_RATE / frame)
    # Low bands are narrower than a bin; each must reach at least its neighbours.
    reach = SAMPLE_RATE / frame
    rise = (bins - np.minimum(low, centre - reach)[:, None]) / np.maximum(centre - low, reach)[
        :, None
    ]
    fall = (np.maximum(high, centre + reach)[:, None] - bins) / np.maximum(high - centre, reach)[
        :, None
    ]
    height = np.minimum(1.0, np.minimum(rise, fall))
    return np.asarray(np.maximum(0.0, height), dtype=np.float32)
