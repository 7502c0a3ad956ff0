"""Spectra that the perceptual dimensions are measured on, in NumPy alone and without loops.

Every window is scaled to unit RMS first, so that all that follows is free of level; floors are
relative to the window's mean power, so that codec noise in quiet places does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]

SAMPLE_RATE = 22_050
FRAME, HOP = 2_048, 512
"""Short frames, for timbre and rhythm: 93 ms every 23 ms."""
TONAL_FRAME, TONAL_HOP = 8_192, 2_048
"""Long frames, for pitch: 2.7 Hz apart, every 93 ms."""

BANDS = 48
LOWEST_BAND, HIGHEST_BAND = 40.0, 10_500.0
"""Hz. Bands are evenly spaced in mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""

LOWEST_PITCH = 55.0
OCTAVES = 6
STEPS = 36
"""Pitch bins per octave, from A1 upwards: three per semitone."""
PITCHES = OCTAVES * STEPS

_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """What one window looks like.

    Attributes:
        level: RMS level in dBFS, at least -120.
        power: (frames, FRAME // 2 + 1), mean about 1 over frames that sound.
        bands: (frames, BANDS), mel bands of ``power``.
        weights: (frames,), sum 1: loud frames alike, frames 20 dB below the mean hardly at all.
        pitches: (tonal frames, PITCHES), magnitude above its surroundings, at log-spaced pitches.
    """

    level: float
    power: Array
    bands: Array
    weights: Array
    pitches: Array


def spectra(samples: Array) -> Spectra:
    """The spectra of one mono window, shape (samples,), at 22,050 Hz, finite."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    scaled = (samples / max(rms, 1e-9)).astype(np.float32)
    power = _power(scaled, FRAME, HOP)
    bands = power @ _mel_bank()
    energy = bands.sum(axis=1)
    raw = energy / (energy + 0.01 * energy.mean() + _TINY) + _TINY
    return Spectra(
        level=20.0 * float(np.log10(max(rms, 1e-6))),
        power=power,
        bands=bands,
        weights=(raw / raw.sum()).astype(np.float32),
        pitches=_pitches(_power(scaled, TONAL_FRAME, TONAL_HOP)),
    )


@cache
def frequencies(frame: int) -> Array:
    """Centre frequencies in Hz of a frame's bins, shape (frame // 2 + 1,)."""
    return np.fft.rfftfreq(frame, 1.0 / SAMPLE_RATE).astype(np.float32)


@cache
def band_frequencies() -> Array:
    """Centre frequencies in Hz of the mel bands, shape (BANDS,)."""
    return _band_edges()[1:-1].astype(np.float32)


def _power(samples: Array, frame: int, hop: int) -> Array:
    if len(samples) < frame:
        samples = np.pad(samples, (0, frame - len(samples)))
    frames = sliding_window_view(samples, frame)[::hop]
    spectrum = np.fft.rfft(frames * _hann(frame), axis=1)
    return np.asarray(np.square(spectrum.real) + np.square(spectrum.imag), dtype=np.float32)


def _pitches(power: Array) -> Array:
    magnitude = np.sqrt(power @ _pitch_bank())
    # What stands out of an octave's surroundings is tone; the rest is noise and spectral tilt.
    total = np.cumsum(
        np.pad(magnitude, ((0, 0), (STEPS // 2 + 1, STEPS // 2)), mode="edge"), axis=1
    )
    surroundings = (total[:, STEPS:] - total[:, :-STEPS])[:, :PITCHES] / STEPS
    return np.asarray(np.maximum(magnitude - surroundings, 0.0), dtype=np.float32)


@cache
def _hann(frame: int) -> Array:
    window = np.hanning(frame + 1)[:-1]
    return np.asarray(window / np.sqrt(np.sum(window**2)), dtype=np.float32)


def _band_edges() -> NDArray[np.float64]:
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (LOWEST_BAND, HIGHEST_BAND))
    return 700.0 * (10.0 ** (np.linspace(low, high, BANDS + 2) / 2595.0) - 1.0)


@cache
def _mel_bank() -> Array:
    edges = _band_edges()
    bins = frequencies(FRAME)[:, None].astype(np.float64)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(np.minimum(rising, falling), 0.0), dtype=np.float32)


@cache
def _pitch_bank() -> Array:
    """Triangles one semitone wide on each side, of equal area."""
    bins = np.maximum(frequencies(TONAL_FRAME).astype(np.float64), 1.0)
    place = STEPS * np.log2(bins / LOWEST_PITCH)
    bank = np.maximum(1.0 - np.abs(place[:, None] - np.arange(PITCHES)) / 3.0, 0.0)
    return np.asarray(bank / np.maximum(bank.sum(axis=0), 0.5), dtype=np.float32)
