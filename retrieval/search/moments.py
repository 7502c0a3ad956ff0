"""The best segments of the hits, with their times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from retrieval.core.filters import TrackIds
from retrieval.core.queries import SegmentHit
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo, Span
from retrieval.search.fuse import Lane
from retrieval.store.protocol import Store, StoreQuery

_K = 60


def best_segments(
    store: Store, info: LibraryInfo, lanes: Sequence[Lane], track_ids: Sequence[str], wanted: int
) -> dict[str, tuple[SegmentHit, ...]]:
    """The best segments of these tracks, in one round trip for all probes and tracks.

    Where several probes have segments, a track's segments are ordered by reciprocal rank fusion
    within the track, and each shows the score of the ranking it stood highest in: scores of
    different spaces do not compare.

    Args:
        store: Where the segments are.
        info: Tells which spaces hold segments.
        lanes: The probes of the request.
        track_ids: The hits, at most 1000.
        wanted: Segments per track.

    Returns:
        By track id, best first; tracks without segments are absent.
    """
    probed = [lane for lane in lanes if Level.SEGMENT in info.spaces[lane.probe.space].levels]
    if not probed or not track_ids or wanted <= 0:
        return {}
    hits = TrackIds(tuple(track_ids))
    answers = store.search(
        [
            StoreQuery(
                lane.probe,
                level=Level.SEGMENT,
                filter=hits,
                limit=len(track_ids),
                per_track=wanted,
            )
            for lane in probed
        ]
    )
    shares: dict[str, dict[Span, float]] = defaultdict(lambda: defaultdict(float))
    shown: dict[str, dict[Span, tuple[int, SegmentHit]]] = defaultdict(dict)
    for lane, answer in zip(probed, answers, strict=True):
        ranks: dict[str, int] = defaultdict(int)
        for match in answer:
            if match.span is None:
                continue
            ranks[match.track_id] += 1
            rank = ranks[match.track_id]
            shares[match.track_id][match.span] += lane.share / (_K + rank)
            best = shown[match.track_id].get(match.span)
            if best is None or rank < best[0]:
                hit = SegmentHit(match.span, match.score, lane.probe.space)
                shown[match.track_id][match.span] = (rank, hit)
    return {
        track_id: tuple(
            shown[track_id][span][1]
            for span in sorted(spans, key=lambda span: (-spans[span], span))[:wanted]
        )
        for track_id, spans in shares.items()
    }
