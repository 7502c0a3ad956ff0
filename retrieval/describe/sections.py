"""Where a track changes: borders between its sections, by novelty.

J. Foote, Automatic audio segmentation using a measure of audio novelty (2000): a checkerboard is
moved along the diagonal of the matrix that tells how alike any two moments are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Field, FieldType
from retrieval.describe.mfcc import cosines
from retrieval.describe.pictures import (
    FINE_HIGHEST,
    FINE_HOP,
    FINE_SIZE,
    SHORT_HOP,
    fine_spectrogram,
    mel_spectrogram,
)
from retrieval.describe.protocol import RATE, Findings, Series, SeriesField, Sound

_STEP = 0.5
"""Seconds between moments."""
_KERNEL = 24
"""Moments on each side of a border that are compared: 12 s."""
_APART = 12
"""Moments between borders at least: 6 s."""
_LEAST = 0.12
"""Novelty of a border, out of 1: two sides each alike in itself and nothing like the other."""
_SHORTEST = 30.0
"""Seconds of sound that have sections."""
_PITCHES = (60.0, 2_000.0)

Rows = NDArray[np.float64]


class Sections:
    """Borders between passages that differ in timbre or harmony."""

    name = "sections"
    version = 1
    fields = (
        Field("section_count", FieldType.INTEGER, "passages that differ in sound, 1..100", True),
        Field("section_count_confidence", FieldType.FLOAT, "clearness of the borders, 0..1", True),
    )
    series = (SeriesField("sections", "novelty", "passages, and how new each begins, 0..1"),)

    def describe(self, sound: Sound) -> Findings:
        """Nothing below half a minute of sound."""
        if sound.seconds < _SHORTEST or not np.any(sound.samples):
            return Findings({})
        novelty = _novelty(_moments(sound))
        borders = _peaks(novelty)
        starts = np.concatenate([[0.0], borders * _STEP])
        values = np.concatenate([[0.0], novelty[borders]]).astype(np.float32)
        ends = np.append(starts[1:], sound.seconds)
        scalars = {"section_count": len(starts)}
        confidence = (
            float(values[1:].mean()) if len(borders) else 1.0 - float(novelty.max()) / _LEAST
        )
        return Findings(
            {**scalars, "section_count_confidence": round(min(1.0, max(0.0, confidence)), 3)},
            (Series("sections", values, times=starts, ends=ends),),
        )


def _moments(sound: Sound) -> Rows:
    """Timbre and harmony of every half second, shape (moments, features), columns alike in size."""
    count = int(sound.seconds / _STEP)
    mel = mel_spectrogram(sound)
    decibels = 10.0 * np.log10(np.maximum(mel, max(1e-8 * float(mel.max()), 1e-10)))
    timbre = _pooled(decibels @ cosines(mel.shape[1])[:, 1:], SHORT_HOP, count)
    harmony = _pooled(fine_spectrogram(sound) @ _pitch_classes(), FINE_HOP, count)
    harmony /= np.linalg.norm(harmony, axis=1, keepdims=True) + 1e-9
    parts = []
    for part in (timbre, harmony):
        spread = part - part.mean(axis=0)
        parts.append(spread / (np.sqrt(np.square(spread).sum(axis=1).mean()) + 1e-9))
    return np.concatenate(parts, axis=1)


def _pooled(rows: NDArray[np.floating], hop: int, count: int) -> Rows:
    starts = np.round(np.arange(count) * _STEP * RATE / hop).astype(int)
    sums = np.add.reduceat(rows.astype(np.float64), starts, axis=0)
    return np.asarray(sums / np.diff(np.append(starts, len(rows)))[:, None])


def _pitch_classes() -> NDArray[np.float32]:
    """Which bins of the fine spectrogram are of which pitch class, shape (bins, 12)."""
    bins = int(FINE_HIGHEST * FINE_SIZE / RATE) + 1
    hertz = np.arange(bins) * RATE / FINE_SIZE
    inside = (hertz >= _PITCHES[0]) & (hertz <= _PITCHES[1])
    classes = np.round(12 * np.log2(np.maximum(hertz, 1.0) / 440.0)).astype(int) % 12
    folded = np.zeros((bins, 12), dtype=np.float32)
    folded[inside, classes[inside]] = 1.0
    return folded


def _novelty(moments: Rows) -> Rows:
    """How much the sound changes at each moment, shape (moments,), about 0..1."""
    unit = moments / (np.linalg.norm(moments, axis=1, keepdims=True) + 1e-9)
    padded = np.pad(unit @ unit.T, _KERNEL, mode="reflect")
    offsets = np.arange(-_KERNEL, _KERNEL) + 0.5
    side = np.sign(offsets) * np.exp(-0.5 * np.square(offsets / (0.4 * _KERNEL)))
    kernel = np.outer(side, side) / np.square(np.abs(side).sum())
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    diagonal = np.arange(len(moments))
    return np.asarray(np.einsum("ijk,jk->i", windows[diagonal, diagonal], kernel))


def _peaks(novelty: Rows) -> NDArray[np.intp]:
    """Moments of borders, ascending: highest first, none near another or near an end."""
    found: list[int] = []
    for place in np.argsort(novelty)[::-1]:
        if novelty[place] < _LEAST:
            break
        near_end = min(place, len(novelty) - place) < _APART
        if not near_end and all(abs(place - other) >= _APART for other in found):
            found.append(int(place))
    return np.array(sorted(found), dtype=np.intp)
