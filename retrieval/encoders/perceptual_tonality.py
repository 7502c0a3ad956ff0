"""Fit of pitch classes to keys and chords, and mode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from retrieval.encoders.perceptual_spectra import (
    LOWEST_PITCH,
    PITCHES,
    SAMPLE_RATE,
    STEPS,
    TONAL_HOP,
    Array,
    Spectra,
    block_means,
    project,
)

_TINY = 1e-12
# Probe-tone ratings of Krumhansl and Kessler (1982), from the tonic upwards.
_MAJOR_KEY = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR_KEY = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_MAJOR_TRIAD = (1.0, 0, 0, 0, 1.0, 0, 0, 1.0, 0, 0, 0, 0)
_MINOR_TRIAD = (1.0, 0, 0, 1.0, 0, 0, 0, 1.0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Tonality:
    """Fit to keys and chords, 0 (none) to about 1, and mode, -1 (minor) to 1 (major)."""

    fit: float
    mode: float


def measure_tonality(spectra: Spectra) -> Tonality:
    """Fit of the window's pitch classes to keys, and of each second's to triads."""
    chroma = project(spectra.pitches, _fold())
    whole = chroma.sum(axis=0, keepdims=True)
    seconds = block_means(chroma, round(SAMPLE_RATE / TONAL_HOP))
    key_fit, key_mode = _fit(whole, _templates()[0])
    chord_fit, chord_mode = _fit(seconds, _templates()[1])
    return Tonality(fit=0.5 * (key_fit + chord_fit), mode=0.5 * (key_mode + chord_mode))


def _fit(chroma: Array, templates: Array) -> tuple[float, float]:
    """Best fit to 12 major and 12 minor templates and their difference, weighted over rows."""
    size = np.linalg.norm(chroma, axis=1)
    fits = project(chroma, templates.T) / (size[:, None] + _TINY)
    weights = size / (size.sum() + _TINY)
    soft = np.log(np.exp(20.0 * fits).reshape(len(fits), 2, 12).sum(axis=2)) / 20.0
    mode = np.tanh(5.0 * (soft[:, 0] - soft[:, 1]))
    return float(weights @ fits.max(axis=1)), float(weights @ mode)


@cache
def _fold() -> Array:
    """Pitch bins to the twelve pitch classes from C upwards, nearest semitone."""
    semitones = 12.0 * np.arange(PITCHES) / STEPS + 12.0 * np.log2(LOWEST_PITCH / 261.6256)
    fold = np.zeros((PITCHES, 12), dtype=np.float32)
    fold[np.arange(PITCHES), np.round(semitones).astype(int) % 12] = 1.0
    return fold


@cache
def _templates() -> tuple[Array, Array]:
    """Keys and triads, each 12 major then 12 minor, centred and of unit length."""

    def rotated(major: tuple[float, ...], minor: tuple[float, ...]) -> Array:
        rows = np.array([np.roll(shape, k) for shape in (major, minor) for k in range(12)])
        rows -= rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    return rotated(_MAJOR_KEY, _MINOR_KEY), rotated(_MAJOR_TRIAD, _MINOR_TRIAD)
