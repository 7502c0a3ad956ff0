"""The nearest tracks, fitted to the cuts of a clip and ordered anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.core.cue import Cue
from retrieval.core.errors import StoreError
from retrieval.core.queries import RecommendRequest, SearchRequest, VideoQuery
from retrieval.search.course import SERIES_NEEDED, Music, Picture
from retrieval.search.cue import fit
from retrieval.search.fuse import Fused
from retrieval.search.queries.kind import Sources

FIT_SHARE = 0.35
"""What fitting the cuts counts in the order; being near counts the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutting:
    """A clip to fit music to, and how many of the nearest tracks to fit."""

    picture: Picture
    most: int


def cutting(request: SearchRequest | RecommendRequest, sources: Sources) -> Cutting | None:
    """The first clip of a request that has cuts to fit to; known once it is encoded."""
    if sources.series is None or not isinstance(request, SearchRequest):
        return None
    for index, video in sorted(sources.videos.items()):
        query = request.queries[index].query
        picture = Picture.of(video.features)
        if isinstance(query, VideoQuery) and query.cues and picture is not None:
            return Cutting(picture, query.cues)
    return None


def cue_all(
    fused: Sequence[Fused], asked: Cutting | None, sources: Sources
) -> tuple[list[Fused], Mapping[str, Cue]]:
    """Fit the nearest tracks and order them anew; those behind them follow as they were.

    A track's place is by (1 - ``FIT_SHARE``) * (1 - rank / n) + ``FIT_SHARE`` * score of its cue,
    with rank from 0 by nearness. One whose beats are not known is taken to fit as the mean of the
    others does: that nobody has described it says nothing about it.

    Raises:
        DeadlineError: If the deadline passes meanwhile.
        CancelledError: If the caller goes away meanwhile.
    """
    if asked is None:
        return list(fused), {}
    nearest = fused[: asked.most]
    cues: dict[str, Cue] = {}
    for one in nearest:
        sources.budget.check("fitting music to the cuts")
        cue = _cue(one.track_id, asked.picture, sources)
        if cue is not None:
            cues[one.track_id] = cue
    if not cues:
        return list(fused), {}
    usual = float(np.mean([cue.score for cue in cues.values()]))
    fits = [cues[one.track_id].score if one.track_id in cues else usual for one in nearest]
    ranks = np.arange(len(nearest)) / len(nearest)
    places = (1.0 - FIT_SHARE) * (1.0 - ranks) + FIT_SHARE * np.array(fits)
    order = np.argsort(-places, kind="stable")
    return [*(nearest[place] for place in order), *fused[asked.most :]], cues


def _cue(track_id: str, picture: Picture, sources: Sources) -> Cue | None:
    if sources.series is None:
        return None
    try:
        music = Music.of(sources.series.read(track_id, SERIES_NEEDED))
    except StoreError:
        # One damaged file is no reason to answer nothing; GetSeries names it.
        return None
    return None if music is None else fit(picture, music)
