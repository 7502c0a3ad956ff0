"""When something begins to sound: what tempo and beats are read from.

Spectral flux in three bands (after Böck and Widmer, "Maximum filter vibrato suppression for onset
detection", DAFx 2013: a band rises only against the loudest of it and its neighbours shortly
before), and harmonic change, the distance between the pitch classes before and after a moment
(after Harte, Sandler and Gasser, "Detecting harmonic change in musical audio", AMCMM 2006), which
tells the beat where nothing is struck.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.chroma import FRAME_RATE as CHROMA_RATE
from retrieval.describe.chroma import chroma
from retrieval.describe.pictures import spectra
from retrieval.describe.protocol import RATE, Sound

Array = NDArray[np.float32]

SIZE, HOP = 1_024, 256
"""Samples: 46 ms of sound every 12 ms."""
FRAME_RATE = RATE / HOP
"""Frames of ``onsets`` a second: 86.1."""

KINDS = ("low", "middle", "high", "treble change", "bass change")
"""Rows of ``onsets``."""
STRUCK = 3
"""How many of them, from the first, are flux."""

_BANDS = 64
_LOWEST, _HIGHEST = 30.0, 10_500.0
_BORDERS = (0, 8, 30, _BANDS)
"""Bands of ``low``, ``middle`` and ``high``: borders at about 500 Hz and 2.5 kHz."""
_LAG = 2
"""Frames that a rise is measured over."""
_HALF = 5
"""Frames of chroma, about half a second, before and after a change."""
_TINY = 1e-9


def onsets(sound: Sound) -> Array:
    """Strength of onsets, shape (len(KINDS), frames), >= 0; frame ``i`` is at ``i / FRAME_RATE``.

    Rises of log loudness a frame for the bands, 0..1 for changes of harmony.
    """
    blocks = [np.abs(block) @ _bank() for block in spectra(sound, SIZE, HOP)]
    bands = np.concatenate(blocks).astype(np.float32)
    loudness = np.log1p(20.0 * bands / (bands.mean() + _TINY))
    before = loudness[:-_LAG].copy()
    before[:, 1:] = np.maximum(before[:, 1:], loudness[:-_LAG, :-1])
    before[:, :-1] = np.maximum(before[:, :-1], loudness[:-_LAG, 1:])
    rise = np.pad(np.maximum(loudness[_LAG:] - before, 0.0), ((_LAG, 0), (0, 0)))
    starts = np.array(_BORDERS[:-1])
    flux = np.add.reduceat(rise, starts, axis=1) / np.diff(_BORDERS)
    picture = sound.share(chroma)
    times = np.arange(len(flux)) / FRAME_RATE
    changes = [_changes(rows, times) for rows in (picture.treble, picture.bass)]
    return np.concatenate([flux.T, changes]).astype(np.float32)


def _changes(rows: Array, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """One minus the cosine between the mean pitch classes before and after each time."""
    sums = np.cumsum(np.pad(np.sqrt(rows), ((1, 0), (0, 0))), axis=0, dtype=np.float64)
    count = len(sums)
    if count <= 2 * _HALF:
        return np.zeros(len(times))
    middle = sums[_HALF : count - _HALF]
    before, after = middle - sums[: count - 2 * _HALF], sums[2 * _HALF :] - middle
    size = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    change = 1.0 - np.sum(before * after, axis=1) / (size + _TINY)
    # Border n lies between frames n - 1 and n.
    places = (np.arange(_HALF, count - _HALF) - 0.5) / CHROMA_RATE
    return np.interp(times, places, np.where(size > _TINY, change, 0.0), left=0.0, right=0.0)


@cache
def _bank() -> Array:
    """Mel triangles of mean 1, shape (SIZE / 2 + 1, _BANDS); mel after O'Shaughnessy (1987)."""
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (_LOWEST, _HIGHEST))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, _BANDS + 2) / 2595.0) - 1.0)
    hertz = np.arange(SIZE // 2 + 1)[:, None] * (RATE / SIZE)
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    bank = np.maximum(0.0, np.minimum(rising, falling))
    # The lowest bands are narrower than a bin and take the nearest one.
    empty = np.flatnonzero(bank.sum(axis=0) < 1e-6)
    bank[np.abs(hertz - edges[empty + 1]).argmin(axis=0), empty] = 1.0
    return np.asarray(bank / bank.sum(axis=0), dtype=np.float32)
