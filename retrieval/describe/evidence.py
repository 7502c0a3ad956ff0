"""What half beats tell of chords and of bars: chances of the 25 chords, and of accents.

Both are fitted; that of chords is one model, turned to all twelve roots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.chroma import FRAME_RATE as CHROMA_RATE
from retrieval.describe.chroma import Chroma
from retrieval.describe.fitted import fitted
from retrieval.describe.onsets import FRAME_RATE

Rows = NDArray[np.float64]

CHORDS = 25
"""0..11 are C to B major, 12..23 minor, the last is no chord."""
NO_CHORD = 24

DOWNBEAT, BEAT, BETWEEN = 0, 1, 2
"""Accents that half beats have."""

_POWER = 0.4
"""Of the strength of pitch classes, so that the loudest says not all."""
_TINY = 1e-6


def halved(taps: Rows, seconds: float) -> Rows:
    """Edges of half beats from the first moment to the last; the taps' intervals go on outside."""
    before, after = taps[1] - taps[0], taps[-1] - taps[-2]
    early = np.arange(taps[0] - before, -before / 2, -before)[::-1]
    late = np.arange(taps[-1] + after, seconds + after / 2, after)
    beats = np.concatenate([early, taps, late])
    edges = np.interp(np.arange(0.0, len(beats) - 0.5, 0.5), np.arange(len(beats)), beats)
    return np.asarray(edges[(edges > -before / 4) & (edges < seconds + after / 4)])


def chord_features(picture: Chroma, edges: Rows) -> NDArray[np.float32]:
    """Mean pitch classes of each step, shape (steps, 2, 12): treble and bass, of unit length."""
    parts = []
    for rows in (picture.treble, picture.bass):
        sums = np.cumsum(np.pad(rows**_POWER, ((1, 0), (0, 0))), axis=0, dtype=np.float64)
        # Frame n lasts from n - 1/2 to n + 1/2.
        at = np.clip(edges * CHROMA_RATE + 0.5, 0.0, len(rows))
        whole = np.minimum(at.astype(int), len(rows) - 1)
        below = sums[whole] + (at - whole)[:, None] * (sums[whole + 1] - sums[whole])
        means = np.diff(below, axis=0)
        parts.append(means / (np.linalg.norm(means, axis=1, keepdims=True) + _TINY))
    return np.stack(parts, axis=1).astype(np.float32)


def silence_features(picture: Chroma, edges: Rows) -> NDArray[np.float32]:
    """What tells that there is no chord, shape (steps, 2): flatness of the treble, 1 without."""
    flat = chord_features(picture, edges)[:, 0].sum(axis=1) / np.sqrt(12.0)
    return np.stack([np.where(flat > _TINY, flat, 1.0), np.ones_like(flat)], axis=1)


def chord_chances(picture: Chroma, edges: Rows) -> Rows:
    """Natural logarithms of the chances of each chord in each step, shape (steps, CHORDS)."""
    features = chord_features(picture, edges)
    turned = features[:, :, (np.arange(12)[:, None] + np.arange(12)) % 12]
    scores = np.einsum("nfrs,qfs->nqr", turned, fitted("chords")) + fitted("chord_modes")[:, None]
    none = silence_features(picture, edges) @ fitted("no_chord")
    return _normalised(np.concatenate([scores.reshape(len(features), 24), none[:, None]], axis=1))


def accent_features(rows: Rows, edges: Rows) -> Rows:
    """The onset strengths at the beginning of each step, shape (steps, rows + 1); the last is 1."""
    frames = edges[:-1] * FRAME_RATE
    places = np.arange(rows.shape[1])
    near = [[np.interp(frames + d, places, row) for d in (-2.0, 0.0, 2.0)] for row in rows]
    return np.vstack([np.max(near, axis=1), np.ones(len(frames))]).T


def accent_chances(rows: Rows, edges: Rows) -> Rows:
    """How much more likely each accent is than usual, natural logarithms, shape (steps, 3)."""
    scores = _normalised(accent_features(rows, edges) @ fitted("accents"))
    return np.asarray(scores - fitted("accents_usual"))


def _normalised(scores: Rows) -> Rows:
    raised = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(raised - np.log(np.exp(raised).sum(axis=1, keepdims=True)))
