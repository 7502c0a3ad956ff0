"""What any recommender has to beat: answers that hardly look at the clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.learning.measures import Pool, Values, distances
from indexer.learning.prepared import Prepared
from indexer.learning.ridge import PENALTIES, fit_ridge
from retrieval.encoders.perceptual_dims import DIMS

_PENALTY = PENALTIES[1]
"""Of eleven standardised columns; their number needs hardly any."""


def baselines(
    data: Prepared, rows: NDArray[np.int64], some: NDArray[np.int64], pool: Pool
) -> dict[str, Values]:
    """Scores (clips, tracks) of a pool by each baseline.

    ``popularity`` is how often a track was chosen in training, which says nothing of tracks that
    training has not seen; ``mean vector`` looks for the average music; ``ridge`` is linear.

    Args:
        data: Prepared by the rows of training.
        rows: All pairs (clip, track).
        some: Places of the rows of training.
        pool: What to score.
    """
    even = np.ones(len(DIMS))
    sound = data.sound[pool.tracks]
    chosen = np.bincount(rows[some, 1], minlength=len(data.sound))[pool.tracks].astype(np.float64)
    usual = data.sound[rows[some, 1]].mean(axis=0)
    dims = np.stack([clip.dims for clip in data.clips]).astype(np.float64)
    linear = fit_ridge(dims[rows[some, 0]], data.sound[rows[some, 1]], np.full(len(DIMS), _PENALTY))
    count = len(pool.clips)
    return {
        "popularity": np.tile(chosen, (count, 1)),
        "mean vector": distances(np.tile(usual, (count, 1)), sound, even),
        "ridge": distances(linear(dims[pool.clips]), sound, even),
    }
