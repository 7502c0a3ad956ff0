"""How well clips find their music, and how well dimensions are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.search.evaluation import Evaluation, evaluate_ranks

Values = NDArray[np.floating]
RESAMPLES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The clips and tracks of one part, and which belong together.

    Attributes:
        clips: Places of its clips in the table, increasing.
        tracks: Places of its tracks.
        relevant: bool (clips, tracks).
    """

    clips: NDArray[np.int64]
    tracks: NDArray[np.int64]
    relevant: NDArray[np.bool_]


def pool_of(rows: NDArray[np.int64]) -> Pool:
    """The pool of some rows of (clip, track)."""
    clips, left = np.unique(rows[:, 0], return_inverse=True)
    tracks, right = np.unique(rows[:, 1], return_inverse=True)
    relevant = np.zeros((len(clips), len(tracks)), dtype=bool)
    relevant[left, right] = True
    return Pool(clips, tracks, relevant)


def found_ranks(scores: Values, relevant: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """For each row of scores the ranks of what is relevant, increasing; the middle one of ties."""
    ranks = []
    for row, wanted in zip(scores, relevant, strict=True):
        better = (row[None, :] > row[wanted, None]).sum(axis=1)
        equal = (row[None, :] == row[wanted, None]).sum(axis=1)
        ranks.append(np.sort(better + 0.5 * (equal + 1.0)))
    return ranks


def quality(scores: Values, pool: Pool, *, resamples: int = RESAMPLES) -> dict[str, Evaluation]:
    """Measures of scores (clips, tracks), higher meaning closer, in both directions."""
    found = {}
    for name, one, wanted in (
        ("video_to_track", scores, pool.relevant),
        ("track_to_video", scores.T, pool.relevant.T),
    ):
        sizes = wanted.sum(axis=1).tolist()
        ranks = found_ranks(one, wanted)
        found[name] = evaluate_ranks(ranks, sizes, wanted.shape[1], resamples=resamples)
    return found


def aim(scores: Values, pool: Pool) -> tuple[float, float]:
    """Recall@3 from clips to tracks, and the mean reciprocal rank to tell equals apart."""
    recall, reciprocal = _per_clip(scores, pool)
    return float(recall.mean()), float(reciprocal.mean())


def gain(ours: Values, theirs: Values, pool: Pool, *, seed: int) -> tuple[float, float]:
    """How much more recall@3 some scores give than others: the mean, and its lower 5 % bound.

    A paired percentile bootstrap over the clips. The reciprocal rank counts a thousandth, so that
    it decides where recall is the same.
    """
    (recall, reciprocal), (other, others) = (_per_clip(one, pool) for one in (ours, theirs))
    more = recall - other + 1e-3 * (reciprocal - others)
    generator = np.random.default_rng(seed)
    drawn = more[generator.integers(len(more), size=(RESAMPLES, len(more)))].mean(axis=1)
    return float(more.mean()), float(np.percentile(drawn, 5.0))


def _per_clip(scores: Values, pool: Pool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ranks = found_ranks(scores, pool.relevant)
    recall = np.array([np.mean(one <= 3) for one in ranks])
    return recall, np.array([1.0 / one[0] for one in ranks])


def distances(mean: Values, sound: Values, weights: Values) -> Values:
    """-sum w (q - x)^2 of rows of standardised values, (queries, tracks)."""
    scaled = np.sqrt(np.asarray(weights, dtype=np.float64))
    q, x = mean * scaled, sound * scaled
    found: Values = 2.0 * q @ x.T - (q**2).sum(axis=1)[:, None] - (x**2).sum(axis=1)[None]
    return found


def fused(channels: Mapping[str, Values]) -> Values:
    """The sum of scores, each brought to mean 0 and deviation 1 over the tracks of a clip."""
    total: Values = sum(
        (one - one.mean(axis=1, keepdims=True)) / (one.std(axis=1, keepdims=True) + 1e-9)
        for one in channels.values()
    )
    return total


def r_squared(found: Values, truth: Values) -> list[dict[str, float] | None]:
    """1 - residual / total of each column, with its bootstrap 95 % interval; NaN is no truth.

    None for a column of fewer than three different truths.
    """
    measured: list[dict[str, float] | None] = []
    for guess, label in zip(found.T, truth.T, strict=True):
        there = np.isfinite(label)
        guessed, true = guess[there], label[there]
        if len(np.unique(true)) < 3:
            measured.append(None)
            continue
        generator = np.random.default_rng(0)
        drawn = generator.integers(len(true), size=(RESAMPLES, len(true)))
        some = [_share(guessed[one], true[one]) for one in drawn]
        low, high = np.percentile(some, (2.5, 97.5))
        measured.append({"value": _share(guessed, true), "low": float(low), "high": float(high)})
    return measured


def as_json(found: Mapping[str, Evaluation]) -> dict[str, Any]:
    """Both directions as they are kept in a file and shown with ``--json``."""
    return {
        direction: {"queries": one.queries, "pool": one.pool}
        | {name: asdict(figure) for name, figure in one.figures.items()}
        for direction, one in found.items()
    }


def _share(found: Values, truth: Values) -> float:
    total = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((truth - found) ** 2).sum()) / max(total, 1e-12)
