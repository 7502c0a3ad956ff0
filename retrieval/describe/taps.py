"""Taps: when one would tap to a tempo.

The tempo's period is laid through the onset strengths by dynamic programming (D. Ellis, "Beat
tracking by dynamic programming", Journal of New Music Research 36(1), 2007). How much a moment is
like a beat is fitted: what begins on it, and what begins a quarter, a third and half a beat away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.onsets import FRAME_RATE, STRUCK, onsets
from retrieval.describe.protocol import Sound

Rows = NDArray[np.float64]

OFFSETS = (0.0, 1 / 4, 1 / 3, 1 / 2)
"""Parts of a beat, to both sides, at which onsets speak for or against it."""
_TIGHTNESS = 1_000.0
"""Cost of a squared natural logarithm of one interval over the period."""
_BLUR = 0.02
"""Seconds, standard deviation, by which players are apart."""
_AROUND = 4.0
"""Seconds within which onsets are measured against each other."""
_TINY = 1e-6


def emphasised(sound: Sound) -> Rows:
    """The onset strengths, blurred, each row around 0 and in units of its surroundings."""
    width = int(_BLUR * FRAME_RATE)
    kernel = np.exp(-0.5 * np.square(np.arange(-3 * width, 3 * width + 1) / width))
    kernel /= kernel.sum()
    rows = np.array([np.convolve(row, kernel, "same") for row in sound.share(onsets)])
    size = int(_AROUND * FRAME_RATE) | 1
    total = rows[:STRUCK].mean(axis=0)
    padded = np.pad(np.square(total), (size // 2, size // 2), mode="edge")
    around = np.sqrt(np.convolve(padded, np.full(size, 1.0 / size), "valid"))
    rows[:STRUCK] /= around + 0.2 * total.std() + _TINY
    rows -= rows.mean(axis=1, keepdims=True)
    # Changes lie within 0..1; six times as much spreads them like the others.
    rows[STRUCK:] *= 6.0
    return rows


def likeness(rows: Rows, period: float, weights: NDArray[np.float32]) -> Rows:
    """How much each frame is like a beat, shape (frames,).

    Args:
        rows: ``emphasised``.
        period: Frames of a beat.
        weights: Shape (len(OFFSETS), len(rows)).
    """
    places = np.arange(rows.shape[1])
    found = weights[0] @ rows
    for offset, row in zip(OFFSETS[1:], weights[1:] @ rows, strict=True):
        for side in (-offset, offset):
            found = found + 0.5 * np.interp(places + side * period, places, row)
    return np.asarray(found)


def tracked(strength: Rows, period: float) -> Rows:
    """Frames of the path with the most strength and the steadiest intervals, at least one.

    Args:
        strength: ``likeness``, shape (frames,).
        period: Frames of a beat.
    """
    shortest, longest = max(1, round(period / 2)), round(period * 2)
    lags = np.arange(longest, shortest - 1, -1)
    cost = _TIGHTNESS * np.log(lags / period) ** 2
    # The first beat follows on nothing.
    best = np.zeros(len(strength) + longest)
    back = np.full(len(strength), -1)
    for frame, value in enumerate(strength):
        reached = best[frame : frame + len(lags)] - cost
        choice = int(reached.argmax())
        best[frame + longest] = value + reached[choice]
        back[frame] = frame - lags[choice]
    start = max(0, len(strength) - round(period))
    path = [start + int(best[longest + start :].argmax())]
    while back[path[-1]] >= 0:
        path.append(int(back[path[-1]]))
    return np.array(path[::-1], dtype=np.float64)
