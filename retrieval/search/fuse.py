"""Several rankings into one.

By fit is the default. Measured on 500 generated songs with invented titles, asked by an early
training of the ear and by words (2026-11-21; test split, and a soundfont it had not heard): queries
about the sound come to nDCG@10 0.75 and 0.73, by rank 0.71 and 0.69, if no tag says a thing, and
0.86 and 0.86, by rank 0.83 and 0.83, if all genres are tagged; titles asked for are found at a mean
reciprocal rank of 0.72 to 0.82, by rank of 0.18 to 0.31, for RRF lets what stands in the middle of
two rankings pass what one is sure of.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.core.queries import Evidence, Fusion, FusionMethod
from retrieval.core.spaces import Modality, Probe, SparseVector
from retrieval.store.protocol import Match

_SUREST = 1.0 - 1e-6
"""Fits that count in a product; of 1 there is no logarithm."""


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One probe of a request: what one ranking answers.

    Attributes:
        query: Index of its query in the request.
        share: What its ranking counts: the weight of the query times that of the space.
        probe: The encoded query.
        source: What it was encoded from; None if nobody knows.
    """

    query: int
    share: float
    probe: Probe
    source: Modality | None = None

    @property
    def dense(self) -> bool:
        """False for words, which every track has."""
        return not isinstance(self.probe.vector, SparseVector)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The engine's answer to one lane, best first, each track once.

    Attributes:
        lane: What was asked.
        matches: The answer.
        strangers: Tracks of other rankings that have no vector in this space.
        among: If there are any, how many tracks have one.
        fits: How likely each match is what was asked for; None where the space is not calibrated.
    """

    lane: Lane
    matches: tuple[Match, ...]
    strangers: frozenset[str] = frozenset()
    among: int = 0
    fits: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Fused:
    """A track with its score and its place in every ranking it was in."""

    track_id: str
    score: float
    evidence: tuple[Evidence, ...]


def depth(offset: int, limit: int, rankings: int) -> int:
    """How many tracks to ask of each ranking.

    A single ranking needs one more than the page shows, to know whether there is another page.
    Rankings that are to be fused go deeper, because a track low in one may be high in another: at
    least four times the page's end, rounded up to a power of two and never below 128. The rounding
    lets consecutive pages fuse the same rankings, so that they neither repeat nor lose a track
    until the depth doubles.
    """
    end = offset + limit
    if rankings <= 1:
        return end + 1
    return max(128, 1 << (4 * end - 1).bit_length())


def fuse(rankings: Sequence[Ranking], fusion: Fusion) -> list[Fused]:
    """One ranking of all tracks, best first, ties by track id.

    A single ranking keeps its own scores and order. RRF sums share / (k + rank) (Cormack et al.
    2009). WEIGHTED_SCORE sums share times the score scaled to 0..1 by the minimum and maximum of
    its ranking (1 where all are equal). FIT is 1 - product of (1 - fit)^share, with RRF among
    equals; unless every ranking is calibrated, it is RRF. A track that a ranking lacks gets 0 of
    it, but for strangers: one that has no vector in the space is taken to stand there as it does in
    the other dense spaces of the query, and if it is a stranger in all of them, as the average
    track does.
    """
    evidence: dict[str, list[Evidence]] = defaultdict(list)
    parts: dict[str, dict[int, float]] = defaultdict(dict)
    assumed: dict[str, list[float]] = defaultdict(list)
    method = fusion.method
    if method is FusionMethod.FIT and any(ranking.fits is None for ranking in rankings):
        method = FusionMethod.RRF
    given = [_parts(ranking, method, fusion.k) for ranking in rankings]
    for place, ranking in enumerate(rankings):
        lane = ranking.lane
        for rank, (match, part) in enumerate(
            zip(ranking.matches, given[place], strict=True), start=1
        ):
            fit = None if ranking.fits is None else ranking.fits[rank - 1]
            evidence[match.track_id].append(
                Evidence(lane.query, lane.probe.space, rank, match.score, match.distance, fit)
            )
            parts[match.track_id][place] = part
    if len(rankings) == 1:
        return [
            Fused(match.track_id, match.score, tuple(evidence[match.track_id]))
            for match in rankings[0].matches
        ]
    for place, ranking in enumerate(rankings):
        typical = math.fsum(given[place]) / max(ranking.among, 1)
        for key in ranking.strangers:
            kin = _kin(key, ranking.lane, rankings)
            held = math.fsum(parts[key].get(n, 0.0) for n in kin)
            shares = math.fsum(rankings[n].lane.share for n in kin)
            assumed[key].append(ranking.lane.share * held / shares if kin else typical)
    # fsum: symmetric places give equal sums in any order, so that the tie goes to the id.
    sums = {key: math.fsum((*found.values(), *assumed[key])) for key, found in parts.items()}
    if method is not FusionMethod.FIT:
        fused = [Fused(key, score, tuple(evidence[key])) for key, score in sums.items()]
        return sorted(fused, key=lambda one: (-one.score, one.track_id))
    fused = [Fused(key, -math.expm1(-total), tuple(evidence[key])) for key, total in sums.items()]
    return sorted(
        fused, key=lambda one: (-one.score, -_by_rank(one, rankings, fusion.k), one.track_id)
    )


def _by_rank(one: Fused, rankings: Sequence[Ranking], k: int) -> float:
    shares = {(r.lane.query, r.lane.probe.space): r.lane.share for r in rankings}
    return math.fsum(shares[e.query, e.space] / (k + e.rank) for e in one.evidence)


def _kin(key: str, lane: Lane, rankings: Sequence[Ranking]) -> list[int]:
    """Places of the rankings that ask the same as this lane in a dense space that has the track."""
    return [
        place
        for place, other in enumerate(rankings)
        if other.lane.query == lane.query and other.lane.dense and key not in other.strangers
    ]


def _parts(ranking: Ranking, method: FusionMethod, k: int) -> list[float]:
    share = ranking.lane.share
    if method is FusionMethod.RRF:
        return [share / (k + rank) for rank in range(1, len(ranking.matches) + 1)]
    if method is FusionMethod.FIT:
        # Sums of these are logarithms of the products.
        return [-share * math.log1p(-min(fit, _SUREST)) for fit in ranking.fits or ()]
    scores = [match.score for match in ranking.matches]
    if not scores:
        return []
    low, high = min(scores), max(scores)
    if high <= low:
        return [share] * len(scores)
    return [share * (score - low) / (high - low) for score in scores]
