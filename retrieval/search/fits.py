"""How well hits fit: one probability from those of all queries and spaces of a request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from retrieval.core.queries import SpaceFit
from retrieval.search.fuse import Fused, Ranking


def space_fit(ranking: Ranking) -> SpaceFit:
    """What one query found in one space."""
    lane = ranking.lane
    best = None if ranking.fits is None else max(ranking.fits, default=0.0)
    return SpaceFit(lane.query, lane.probe.space, best)


def fits_of(rankings: Sequence[Ranking]) -> dict[str, float]:
    """Fits of all tracks that are in a ranking; those that no calibrated space knows are absent.

    What a query means is one thing, told by sound in one or several spaces: the mean of their fits,
    by their shares. Its words say it or they do not: a title is evidence, its lack is none. So the
    two are joined as causes that each suffice (noisy or, Pearl 1988). Several queries are asked for
    together: the mean, by their shares.

    A track below the end of a ranking of sounds has the fit of the last one.
    """
    judged = [ranking for ranking in rankings if ranking.fits is not None]
    held = [dict(zip((m.track_id for m in r.matches), r.fits or (), strict=True)) for r in judged]
    everybody = dict.fromkeys(match.track_id for r in rankings for match in r.matches)
    fits: dict[str, float] = {}
    for key in everybody:
        by_query: dict[int, tuple[list[tuple[float, float]], list[float]]] = {}
        weights: dict[int, float] = {}
        for ranking, known in zip(judged, held, strict=True):
            lane = ranking.lane
            if key in ranking.strangers:
                continue
            sounds, words = by_query.setdefault(lane.query, ([], []))
            weights[lane.query] = weights.get(lane.query, 0.0) + lane.share
            if lane.dense:
                lowest = ranking.fits[-1] if ranking.fits else 0.0
                sounds.append((lane.share, known.get(key, lowest)))
            else:
                words.append(known.get(key, 0.0))
        total = math.fsum(weights.values())
        if total:
            each = [weights[query] * _either(*found) for query, found in by_query.items()]
            fits[key] = math.fsum(each) / total
    return fits


def good_enough(
    fused: Sequence[Fused], fits: Mapping[str, float], least: float | None
) -> list[Fused]:
    """The tracks whose fit is not known to be below the least that was asked for."""
    return [one for one in fused if least is None or fits.get(one.track_id, 1.0) >= least]


def _either(sounds: Sequence[tuple[float, float]], words: Sequence[float]) -> float:
    shares = math.fsum(share for share, _ in sounds)
    sound = math.fsum(share * fit for share, fit in sounds) / shares if shares else 0.0
    return 1.0 - (1.0 - sound) * math.prod(1.0 - fit for fit in words)
