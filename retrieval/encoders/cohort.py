"""Sounds that an encoder brings along, by which the score of a text against a track is judged.

What a match scores depends on the text: "solo trumpet" comes nearer to its sounds than "fast" does
to its own. A cohort of sounds of all kinds tells, for any text, where its best ones lie; speaker
verification calls this zero normalisation against the top of a cohort (Auckenthaler, Carey and
Lloyd-Thomas 2000; Matějka et al. 2017). The library itself cannot serve as the cohort: whether it
has such sounds is the question. And the best of N scores grows with ln N even where nothing fits,
as extreme values of most distributions do (Gumbel 1958), so that the size of the library counts.

With unit vectors x of a track, t of the text and r of the cohort, in a library of N tracks,

    e(x, t) = x·t - 0.5 * mean of the best 5 % of r·t
    fit = 1 / (1 + exp(-(slope·e + offset - growth·ln(N / 100))))

is the probability that the library has what the text says, if x is the best it has. Slope, offset
and growth are fitted where the truth is known. Of the level a half is taken away: a free fit gave
0.48 (it tells a text that is easily met from one that the encoder hardly understands only in part).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

BEST = 0.05
"""Share of the cohort whose scores say what a match scores."""
SHARE = 0.5
"""Of that level, what is taken away from a score."""
ORDINARY = 100.0
"""Tracks of a library of which the curve is as it stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Vectors of sounds of all kinds, and the curve that makes fits of scores beside theirs.

    Attributes:
        vectors: (n, dim), as tracks are stored; parts that texts do not have may be zero.
        slope: > 0.
        offset: In logits.
        growth: In logits, for every e-fold of the library, >= 0.
    """

    vectors: NDArray[np.float32]
    slope: float
    offset: float
    growth: float

    def level(self, text: NDArray[np.float32]) -> float:
        """What of the score of a text (dim,), of length 1, says nothing: ``SHARE`` of its best."""
        scores = self.vectors @ text
        best = max(1, round(BEST * len(scores)))
        return SHARE * float(np.partition(scores, -best)[-best:].mean())

    def fits(
        self, text: NDArray[np.float32], scores: Sequence[float], tracks: int
    ) -> NDArray[np.float64]:
        """Fits of scores (n,) of a text (dim,) in a library of so many tracks."""
        unit = text / max(float(np.linalg.norm(text)), 1e-12)
        evidence = np.asarray(scores, dtype=np.float64) - self.level(unit)
        logits = self.slope * evidence + self.offset - self.growth * math.log(tracks / ORDINARY)
        fits: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))
        return fits


@runtime_checkable
class HasCohort(Protocol):
    """A text encoder that brings a cohort."""

    def cohort(self) -> Cohort | None:
        """The cohort; None if its weights came without."""
        ...
