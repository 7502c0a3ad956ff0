"""Sounds that an encoder brings along, by which the score of a text against a track is judged.

What a match scores depends on the text: "solo trumpet" comes nearer to its sounds than "fast" does
to its own. A cohort of sounds of all kinds tells, for any text, where its best ones lie; speaker
verification calls this zero normalisation against the top of a cohort (Auckenthaler, Carey and
Lloyd-Thomas 2000; Matějka et al. 2017). The library itself cannot serve as the cohort: whether it
has such sounds is the question.

With unit vectors x of a track, t of the text, r of the cohort, and b̄ the mean of background texts,

    e(x, t) = x·t - mean of the best 5 % of r·t - (mean over the library x·b̄ - mean r·b̄)
    fit = 1 / (1 + exp(-(slope·e + offset)))

The last bracket is how much nearer this library is to any text than the cohort is: real recordings
and renderings, say, lie at other distances. Slope and offset are fitted where the truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

BEST = 0.05
"""Share of the cohort whose scores say what a match scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Vectors of sounds of all kinds, and how scores beside theirs are read.

    Attributes:
        vectors: (n, dim), of length 1 where no part of them is left out that texts do not have.
        background: (dim,): the mean of background texts.
        slope: Of the fit, > 0.
        offset: Of the fit.
    """

    vectors: NDArray[np.float32]
    background: NDArray[np.float32]
    slope: float
    offset: float

    def level(self, text: NDArray[np.float32]) -> float:
        """The mean score of the sounds that are nearest to a text (dim,)."""
        scores = self.vectors @ text
        best = max(1, round(BEST * len(scores)))
        return float(np.partition(scores, -best)[-best:].mean())

    def distance(self, mean: NDArray[np.float32]) -> float:
        """How much nearer to any text a library of this mean vector (dim,) is than the cohort."""
        return float((mean - self.vectors.mean(axis=0)) @ self.background)


@runtime_checkable
class HasCohort(Protocol):
    """A text encoder that brings a cohort."""

    def cohort(self) -> Cohort | None:
        """The cohort; None if its weights came without."""
        ...
