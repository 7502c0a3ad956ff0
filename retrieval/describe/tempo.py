"""Tempi that a track may have, and how likely each is by the rhythm alone.

Candidates on a fine grid are scored by the autocorrelation of the onset strengths at simple
multiples of their period (an enhanced comb as in Klapuri, Eronen and Astola, "Analysis of the meter
of acoustic musical signals", IEEE TASLP 14(1), 2006) and by a prior in log tempo; weights of both
are fitted, so that the soft maximum over the grid is the probability of being right. Which of the
likely ones it is, ``retrieval.describe.levels`` tells, by what comes of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.fitted import fitted
from retrieval.describe.onsets import FRAME_RATE, KINDS, STRUCK, onsets
from retrieval.describe.protocol import Sound

Array = NDArray[np.float32]

GRID = 2.0 ** np.arange(np.log2(30.0), np.log2(300.0), 1.0 / 60.0)
"""Candidates, beats per minute, 1.2 % apart."""
SHORTEST = 8.0
"""Seconds of sound that have a tempo."""

_MULTIPLES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6, 8)
_LEVELS = (1.0, 2.0, 1 / 2, 3 / 2, 2 / 3, 4 / 3, 3 / 4, 3.0, 1 / 3)
"""Tempi that may be heard instead of one."""
_SLOWEST, _FASTEST = 35.0, 260.0
_WINDOW = 16.0
"""Seconds within which the tempo holds; the next begins half of it later."""
_FAINTEST = 0.02
"""Mean rise of log loudness a frame below which nothing is struck."""
_TINY = 1e-9


def candidates(sound: Sound) -> list[tuple[float, float]]:
    """Tempi that a sound may have, with the natural logarithms of their chances, at most 20.

    The likeliest of the grid and its simple multiples, the same of the second one, and two more;
    none below ``SHORTEST`` seconds, or where nothing begins.
    """
    if sound.seconds < SHORTEST:
        return []
    strengths = sound.share(onsets)
    if not np.any(strengths[:STRUCK] > _FAINTEST):
        return []
    scores = features(strengths) @ fitted("tempo")
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    peaks = _peaks(chances, 4)
    wanted = [peak * level for peak in peaks[:2] for level in _LEVELS] + peaks[2:]
    found: list[float] = []
    for bpm in wanted:
        new = all(abs(np.log2(bpm / other)) > 0.05 for other in found)
        if _SLOWEST < bpm < _FASTEST and new:
            found.append(bpm)
    return [(bpm, float(np.log(chances[_near(bpm)].sum() + 1e-6))) for bpm in found]


def features(strengths: Array) -> Array:
    """What is known of each candidate, shape (len(GRID), len(KINDS) * multiples + 4).

    Autocorrelations of each row at each multiple of the period, multiples first, and the first
    three powers of the octaves above 110 bpm with the third also without its sign.
    """
    curves = _autocorrelation(_sharpened(strengths))
    count = curves.shape[1]
    places = np.arange(count)
    columns = []
    for multiple in _MULTIPLES:
        lags = FRAME_RATE * 60.0 / GRID * multiple
        for curve in curves:
            found = np.interp(lags, places, curve)
            columns.append(np.where(lags < 0.6 * count, found, 0.0))
    octaves = np.log2(GRID / 110.0)
    columns += [octaves, octaves**2, np.abs(octaves) ** 3, octaves**3]
    return np.stack(columns, axis=1).astype(np.float32)


def _sharpened(strengths: Array) -> NDArray[np.float64]:
    """What stands out of the second around it; changes of harmony as they are."""
    size = int(FRAME_RATE) | 1
    rows = []
    for place, row in enumerate(strengths.astype(np.float64)):
        if place < STRUCK:
            padded = np.pad(row, (size // 2, size // 2), mode="edge")
            rows.append(np.maximum(row - np.convolve(padded, np.full(size, 1 / size), "valid"), 0))
        else:
            rows.append(row)
    return np.array(rows)


def _autocorrelation(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the windows, shape (len(KINDS), lags), 1 at lag 0."""
    size = min(rows.shape[1], int(_WINDOW * FRAME_RATE))
    length = 1 << (2 * size - 1).bit_length()
    total = np.zeros((len(KINDS), size))
    for start in range(0, max(1, rows.shape[1] - size + 1), max(1, size // 2)):
        part = rows[:, start : start + size]
        part = part - part.mean(axis=1, keepdims=True)
        power = np.abs(np.fft.rfft(part, length, axis=1)) ** 2
        total += np.fft.irfft(power, length, axis=1)[:, :size]
    lags = np.arange(size)
    total *= size / np.maximum(size - lags, size // 4)
    return np.asarray(total / (total[:, :1] + _TINY))


def _peaks(chances: Array, count: int) -> list[float]:
    """The likeliest tempi that are 12 % apart at least, the first one first."""
    left, found = chances.copy(), []
    for _ in range(count):
        around = _near(float(GRID[left.argmax()]))
        weights = chances[around] + 1e-12
        bpm = float(2.0 ** np.average(np.log2(GRID[around]), weights=weights))
        found.append(bpm)
        left[np.abs(np.log2(GRID / bpm)) < np.log2(1.12)] = 0.0
    return found


def _near(bpm: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.log2(GRID / bpm)) < np.log2(1.04))
