"""How good a ranking is: recall@k, MRR, nDCG@10 and median rank, with intervals and chance.

All figures are means over queries, except the median rank. A query's figures depend on its ranking
and on which tracks are relevant to it; relevance is binary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError

RECALL_AT = (1, 3, 5, 10)
NDCG_AT = 10
_CHUNK = 1 << 22

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One query: the tracks it returned, best first, and those that are relevant to it."""

    ranked: tuple[str, ...]
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over the queries.

    Attributes:
        value: The figure.
        low: Lower end of its bootstrap 95 % interval.
        high: Upper end.
        chance: What a random order of the pool is expected to give.
    """

    value: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quality over a set of queries.

    Attributes:
        queries: How many.
        pool: How many tracks every query chose from.
        figures: ``recall@1`` … ``recall@10``, ``mrr``, ``ndcg@10`` (0..1, higher is better) and
            ``median_rank`` (of the first relevant track, from 1, lower is better).
    """

    queries: int
    pool: int
    figures: Mapping[str, Estimate]


def evaluate(
    judgements: Sequence[Judgement], pool: int, *, resamples: int = 1000, seed: int = 0
) -> Evaluation:
    """Measure rankings.

    recall@k is the share of a query's relevant tracks among its first k; the reciprocal rank and
    the rank are those of its first relevant track; nDCG is Järvelin and Kekäläinen (2002) with
    binary gains. A query that finds nothing relevant has reciprocal rank 0 and the rank ``pool``.
    The interval is the percentile bootstrap over queries (Efron 1979), the same for equal seeds.

    Args:
        judgements: At least one; each with at least one relevant track.
        pool: Number of tracks each query chose from.
        resamples: Bootstrap resamples.
        seed: Of the resampling.

    Raises:
        InvalidInputError: If there is no query, a query has no relevant track, or a pool is smaller
            than a query's relevant tracks.
    """
    ranks = [_ranks(one) for one in judgements]
    sizes = [len(one.relevant) for one in judgements]
    return evaluate_ranks(ranks, sizes, pool, resamples=resamples, seed=seed)


def evaluate_ranks(
    ranks: Sequence[NDArray[np.floating | np.integer]],
    relevant: Sequence[int],
    pool: int,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """The same of ranks that are known already.

    Args:
        ranks: For each query those of the relevant tracks it found, increasing, from 1; fractional
            in the middle of ties.
        relevant: For each query how many relevant tracks there are.
        pool: As for ``evaluate``.
        resamples: Likewise.
        seed: Likewise.

    Raises:
        InvalidInputError: As ``evaluate``.
    """
    if not len(ranks):
        raise InvalidInputError("evaluation: there are no queries to measure")
    sizes = np.asarray(relevant)
    if sizes.min() < 1 or sizes.max() > pool:
        raise InvalidInputError(
            f"evaluation: every query needs 1 to {pool} relevant tracks (the size of the pool)"
        )
    first = np.array([float(r[0]) if len(r) else np.inf for r in ranks])
    per_query: dict[str, Values] = {
        f"recall@{k}": np.array([np.count_nonzero(r <= k) for r in ranks]) / sizes
        for k in RECALL_AT
    }
    per_query["mrr"] = 1.0 / first
    per_query[f"ndcg@{NDCG_AT}"] = np.array(
        [_dcg(r) / _ideal(size) for r, size in zip(ranks, relevant, strict=True)]
    )
    per_query["median_rank"] = np.minimum(first, pool)
    chance = _chance(sizes, pool)
    figures = {}
    for name, values in per_query.items():
        centre = _median if name == "median_rank" else _mean
        low, high = _interval(values, centre, resamples, seed)
        value = float(centre(values[np.newaxis])[0])
        figures[name] = Estimate(value, low, high, chance[name])
    return Evaluation(queries=len(ranks), pool=pool, figures=figures)


def _ranks(one: Judgement) -> NDArray[np.int64]:
    places = {track: rank for rank, track in enumerate(dict.fromkeys(one.ranked), start=1)}
    return np.array(sorted(places[t] for t in one.relevant if t in places), dtype=np.int64)


def _dcg(ranks: NDArray[np.floating | np.integer]) -> float:
    return float(np.sum(1.0 / np.log2(ranks[ranks <= NDCG_AT] + 1.0)))


def _ideal(relevant: int) -> float:
    return _dcg(np.arange(1, min(relevant, NDCG_AT) + 1))


def _mean(rows: Values) -> Values:
    means: Values = rows.mean(axis=1)
    return means


def _median(rows: Values) -> Values:
    medians: Values = np.median(rows, axis=1)
    return medians


def _interval(
    values: Values, centre: Callable[[Values], Values], resamples: int, seed: int
) -> tuple[float, float]:
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(values))
    found = [
        centre(
            values[generator.integers(len(values), size=(min(rows, resamples - at), len(values)))]
        )
        for at in range(0, resamples, rows)
    ]
    low, high = np.percentile(np.concatenate(found), (2.5, 97.5))
    return float(low), float(high)


def _chance(sizes: NDArray[np.int64], pool: int) -> dict[str, float]:
    """Expected figures of a uniformly random order, exactly."""
    ranks = np.arange(1, pool + 1)
    expected = {f"recall@{k}": min(k, pool) / pool for k in RECALL_AT}
    gain = float(np.sum(1.0 / np.log2(ranks[:NDCG_AT] + 1.0))) / pool
    beyond = np.zeros(pool + 1)
    reciprocal = ndcg = 0.0
    for size, share in _shares(sizes):
        # P(first relevant rank > r) = prod_{i<r} (pool - size - i) / (pool - i)
        steps = np.maximum(pool - size - (ranks - 1), 0) / (pool - (ranks - 1))
        survival = np.concatenate([[1.0], np.cumprod(steps)])
        reciprocal += share * float(np.sum((survival[:-1] - survival[1:]) / ranks))
        ndcg += share * gain * size / _ideal(size)
        beyond += share * survival
    expected["mrr"] = reciprocal
    expected[f"ndcg@{NDCG_AT}"] = ndcg
    # The median of the pooled ranks: midway where exactly half lies beyond a rank.
    upper = int(np.argmax(beyond <= 0.5 - 1e-12))
    lower = int(np.argmax(beyond <= 0.5 + 1e-12))
    expected["median_rank"] = (lower + upper) / 2.0
    return expected


def _shares(sizes: NDArray[np.int64]) -> list[tuple[int, float]]:
    values, counts = np.unique(sizes, return_counts=True)
    return list(zip(values.tolist(), (counts / len(sizes)).tolist(), strict=True))
