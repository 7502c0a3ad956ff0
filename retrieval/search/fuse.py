"""Several rankings into one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.core.queries import Evidence, Fusion, FusionMethod
from retrieval.core.spaces import Probe
from retrieval.store.protocol import Match


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One probe of a request: what one ranking answers.

    Attributes:
        query: Index of its query in the request.
        share: What its ranking counts: the weight of the query times that of the space.
        probe: The encoded query.
    """

    query: int
    share: float
    probe: Probe


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The engine's answer to one lane, best first, each track once."""

    lane: Lane
    matches: tuple[Match, ...]


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
    its ranking (1 where all are equal); a track that a ranking lacks gets 0 of it.
    """
    evidence: dict[str, list[Evidence]] = defaultdict(list)
    sums: dict[str, list[float]] = defaultdict(list)
    for ranking in rankings:
        parts = _parts(ranking, fusion)
        for rank, (match, part) in enumerate(zip(ranking.matches, parts, strict=True), start=1):
            lane = ranking.lane
            evidence[match.track_id].append(
                Evidence(lane.query, lane.probe.space, rank, match.score, match.distance)
            )
            sums[match.track_id].append(part)
    if len(rankings) == 1:
        return [
            Fused(match.track_id, match.score, tuple(evidence[match.track_id]))
            for match in rankings[0].matches
        ]
    # fsum: symmetric places give equal sums in any order, so that the tie goes to the id.
    fused = [Fused(key, math.fsum(sums[key]), tuple(evidence[key])) for key in sums]
    return sorted(fused, key=lambda one: (-one.score, one.track_id))


def _parts(ranking: Ranking, fusion: Fusion) -> list[float]:
    share = ranking.lane.share
    if fusion.method is FusionMethod.RRF:
        return [share / (fusion.k + rank) for rank in range(1, len(ranking.matches) + 1)]
    scores = [match.score for match in ranking.matches]
    if not scores:
        return []
    low, high = min(scores), max(scores)
    if high <= low:
        return [share] * len(scores)
    return [share * (score - low) / (high - low) for score in scores]
