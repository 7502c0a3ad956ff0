"""The one query path: validate, plan, encode, search, judge, fuse, cue, present."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from retrieval.core.cue import Cue
from retrieval.core.errors import StoreError
from retrieval.core.payload import Payload
from retrieval.core.queries import (
    Hit,
    RecommendRequest,
    SearchRequest,
    SearchResponse,
    SegmentHit,
)
from retrieval.core.spaces import Level
from retrieval.core.tracks import Track
from retrieval.search.coverage import mark_strangers
from retrieval.search.cueing import cue_all, cutting
from retrieval.search.fits import fits_of, good_enough, space_fit
from retrieval.search.fuse import Fused, Lane, Ranking, depth, fuse
from retrieval.search.moments import best_segments
from retrieval.search.plan import Plan, make_plan, validate
from retrieval.search.queries import kind_of
from retrieval.search.queries.kind import Asked, Sources
from retrieval.store.protocol import StoreQuery


def answer(request: SearchRequest | RecommendRequest, sources: Sources) -> SearchResponse:
    """Answer a request.

    Args:
        request: A search, or a recommendation, which is a search by examples.
        sources: The library, the encoders and the caller's budget.

    Raises:
        SegueError: Everything ``plan`` and the query kinds raise, and DeadlineError or
            CancelledError if the budget ends between two stages.
    """
    started = time.perf_counter()
    validate(request, sources.info)
    plan = make_plan(request, sources.info, sources.encoding)
    sources.budget.check("encoding the query")
    lanes = encode(plan, sources)
    sources.budget.check("searching")
    cuts = cutting(request, sources)
    found = search(lanes, plan, request, sources, 0 if cuts is None else cuts.most)
    rankings = sources.calibrations.judge(found, sources.info, sources.budget)
    fits = fits_of(rankings)
    fused = good_enough(fuse(rankings, request.fusion), fits, request.min_fit)
    fused, cues = cue_all(fused, cuts, sources)
    end = request.offset + request.limit
    page = fused[request.offset : end]
    sources.budget.check("looking for segments")
    moments = best_segments(
        sources.store, sources.info, lanes, [hit.track_id for hit in page], request.segments
    )
    payloads = payloads_of(page, rankings, request, sources)
    _check_unchanged(lanes, sources)
    return SearchResponse(
        hits=present(page, payloads, moments, fits, cues),
        took_ms=(time.perf_counter() - started) * 1000.0,
        more=len(fused) > end,
        spaces=tuple([space_fit(ranking) for ranking in rankings]),
        videos=tuple([sources.videos[index] for index in sorted(sources.videos)]),
        left_out=plan.left_out,
    )


def _check_unchanged(lanes: Sequence[Lane], sources: Sources) -> None:
    """Refuse an answer for which vectors of two revisions may have been compared.

    Raises:
        StoreError: STORE_UNAVAILABLE if a space was replaced while it was asked.
    """
    asked, now = sources.info.spaces, sources.store.info().spaces
    for name in {lane.probe.space for lane in lanes}:
        if name not in now or not now[name].is_comparable(asked[name]):
            raise StoreError(
                f"space {name!r} became one of another revision meanwhile; ask again",
                metadata={"space": name},
            )


def encode(plan: Plan, sources: Sources) -> list[Lane]:
    """Probes of all queries, each kind in one batch, in the order of the request."""
    by_kind: dict[type, list[Asked[Any]]] = defaultdict(list)
    for asked in plan.asked:
        by_kind[type(asked.query)].append(asked)
    lanes = [
        Lane(one.index, one.shares[probe.space], probe, kind_of(one.query).source)
        for alike in by_kind.values()
        for one, probe in kind_of(alike[0].query).probes(alike, sources)
    ]
    return sorted(lanes, key=lambda lane: (lane.query, lane.probe.space))


def search(
    lanes: Sequence[Lane],
    plan: Plan,
    request: SearchRequest | RecommendRequest,
    sources: Sources,
    least: int = 0,
) -> list[Ranking]:
    """All rankings, in one round trip to the store, two while a space lacks tracks.

    A space without track vectors is asked through its segments, the best one of each track. At
    least ``least`` tracks and one more are asked for.
    """
    wanted = max(depth(request.offset, request.limit, len(lanes)), least + 1)
    queries = []
    for lane in lanes:
        whole = Level.TRACK in sources.info.spaces[lane.probe.space].levels
        queries.append(
            StoreQuery(
                lane.probe,
                level=Level.TRACK if whole else Level.SEGMENT,
                filter=plan.filter,
                limit=wanted,
                per_track=None if whole else 1,
                payload=request.payload_fields if len(lanes) == 1 and whole else (),
            )
        )
    answers = sources.store.search(queries)
    rankings = [Ranking(lane, matches) for lane, matches in zip(lanes, answers, strict=True)]
    return mark_strangers(rankings, sources.store, sources.info, sources.coverage, wanted)


def payloads_of(
    page: Sequence[Fused],
    rankings: Sequence[Ranking],
    request: SearchRequest | RecommendRequest,
    sources: Sources,
) -> Mapping[str, Payload]:
    """Payloads of the hits by track id.

    A single ranking brought them along. Fused rankings are many times deeper than the page, so
    there the few payloads that are shown come by id; a track deleted meanwhile is absent.
    """
    only = rankings[0] if len(rankings) == 1 else None
    if only is not None and Level.TRACK in sources.info.spaces[only.lane.probe.space].levels:
        return {match.track_id: match.payload for match in only.matches}
    if request.payload_fields == ():
        return {hit.track_id: {} for hit in page}
    ids = [hit.track_id for hit in page]
    records = sources.store.retrieve(ids, payload=request.payload_fields) if ids else ()
    return {record.id: record.payload for record in records}


def present(
    page: Sequence[Fused],
    payloads: Mapping[str, Payload],
    moments: Mapping[str, tuple[SegmentHit, ...]],
    fits: Mapping[str, float],
    cues: Mapping[str, Cue],
) -> tuple[Hit, ...]:
    """Hits as the caller sees them."""
    return tuple(
        Hit(
            track=Track(one.track_id, payloads[one.track_id]),
            score=one.score,
            segments=moments.get(one.track_id, ()),
            evidence=one.evidence,
            fit=fits.get(one.track_id),
            cue=cues.get(one.track_id),
        )
        for one in page
        if one.track_id in payloads
    )
