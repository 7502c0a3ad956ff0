"""From scores, which mean something else in every space and for every query, to fits.

A fit is the probability, 0 to 1, that the library has what a query asks for, if the hit is the best
it has; below ``queries.WEAK`` the hit is marked weak. How a score becomes one:

- Words for sounds, where the encoder brings a cohort of sounds: ``encoders.cohort``. Of the library
  its size counts, which filters make smaller; that is left out of account.
- Words for sounds, where it does not: the best scores that two groups of reference texts find in
  this library, kinds of music (``zero_shot.BACKGROUND``) and texts that no sound is about
  (``NONSENSE``), are taken for normal groups of one width. The curve is the posterior of the first
  at equal odds, as in ``zero_shot_calibration``. It knows the library and the space, not the query:
  music that is absent but near what is there may well pass.
- Sounds for sounds: the same of the scores that tracks of the library have with their nearest other
  track, against those that any two of them have.
- Words for words (BM25): the score over what a track of ordinary length with every word of the
  query would have, ``sum of idf``; see ``WordCounts``.

A space is calibrated on its library, from ``LEAST`` tracks on. Below that, in weighted-Euclidean
spaces and for ready-made vectors there is no fit, rather than a wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import SparseVector

Floats = NDArray[np.float64]

LEAST = 20
"""Tracks that a space must have for fits."""

NONSENSE = (
    *("a spreadsheet of quarterly tax returns", "terms and conditions", "a recipe for lentil soup"),
    *("the capital of a small country", "an address in the suburbs", "red paint on a wooden door"),
    *("how to renew a passport", "a proof by induction", "a sale on winter coats"),
    *("the colour of the carpet", "an index of proper names", "a photograph of a mountain"),
    *("a definition of inflation", "opening hours on Sundays", "a bag of flour", "blank page"),
)
"""Texts that are about nothing one could hear."""

_CLOSEST = 1e-4
"""Deviation below which two groups of scores are not told apart any better."""
_LONG = 1.25
"""A full match of a track with twice the ordinary number of words scores about 1/1.25."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Fit of a score: 1 / (1 + exp(-(slope·score + offset)))."""

    slope: float
    offset: float

    def __call__(self, scores: Sequence[float] | Floats) -> Floats:
        """Fits of scores, shape (n,)."""
        logits = self.slope * np.asarray(scores, dtype=np.float64) + self.offset
        fits: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))
        return fits


def curve_between(
    others: Sequence[float] | Floats, matches: Sequence[float] | Floats
) -> Curve | None:
    """The posterior of the second of two normal groups of one width, at equal odds.

    None where the second does not lie a deviation above the first: then nothing is known.
    """
    low, high = np.asarray(others, dtype=np.float64), np.asarray(matches, dtype=np.float64)
    gap = float(high.mean() - low.mean())
    variance = max((float(low.var()) + float(high.var())) / 2, _CLOSEST**2)
    if gap < math.sqrt(variance):
        return None
    slope = gap / variance
    return Curve(slope, -slope * float(low.mean() + high.mean()) / 2)


@dataclass(frozen=True, slots=True)
class SpaceCalibration:
    """A dense space as measured on a library.

    Attributes:
        texts: Fit of a text's scores; None with a cohort, or where they tell nothing.
        sounds: Fit of a sound's scores; None where they tell nothing.
    """

    texts: Curve | None
    sounds: Curve | None


@dataclass(frozen=True, slots=True, eq=False)
class WordCounts:
    """How many tracks have each word of a sparse space.

    The engine adds idf = ln(1 + (N - n + 0.5) / (n + 0.5)) to words of n of N tracks (Robertson and
    Spärck Jones), and a track of ordinary length with every word once scores the sum of them; a
    short title more, long tags less. A word that no track has weighs most, so that a hit by a
    "the" or a "with" alone stays far below 1, and so does one that lacks what the query is about.

    Attributes:
        indices: Of the words, ascending.
        counts: Tracks with each.
        tracks: Tracks counted.
    """

    indices: NDArray[np.uint32]
    counts: NDArray[np.int64]
    tracks: int

    def fits(self, words: SparseVector, scores: Sequence[float]) -> Floats:
        """Fits of what a query's words score with tracks: the squared share of the full score."""
        places = np.searchsorted(self.indices, words.indices)
        places = np.minimum(places, max(0, len(self.indices) - 1))
        found = np.zeros(len(words.indices))
        if len(self.indices):
            found = np.where(self.indices[places] == words.indices, self.counts[places], 0)
        idf = np.log1p((self.tracks - found + 0.5) / (found + 0.5))
        full = math.fsum((idf * words.values).tolist())
        shares: Floats = np.minimum(1.0, _LONG * np.asarray(scores, dtype=np.float64) / full)
        return shares**2
