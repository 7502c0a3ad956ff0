"""Looking records up in the two shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import qdrant_edge as engine

from retrieval.core.filters import TrackIds
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo, SegmentRecord, TrackRecord
from retrieval.store.edge_filters import EdgeDialect, as_filter
from retrieval.store.edge_shard import Shard
from retrieval.store.edge_vectors import decode_vectors
from retrieval.store.filters import translate
from retrieval.store.points import (
    decode_fields,
    selector,
    span_of,
    track_id_of,
    track_point,
)

_DIALECT = EdgeDialect()


def retrieve(
    shards: Mapping[Level, Shard],
    info: LibraryInfo,
    track_ids: Sequence[str],
    *,
    payload: tuple[str, ...] | None,
    vectors: bool,
    segments: bool,
) -> tuple[TrackRecord, ...]:
    """The tracks among these that exist, in the given order."""
    points = [track_point(track_id) for track_id in track_ids]
    found = shards[Level.TRACK].retrieve(points, selector(payload), vectors)
    records = [found[point] for point in points if point in found]
    return _records(shards, info, records, vectors=vectors, segments=segments)


def scroll(
    shards: Mapping[Level, Shard],
    info: LibraryInfo,
    filter: engine.Filter | None,
    *,
    limit: int,
    after: str | None,
    vectors: bool,
    segments: bool,
) -> tuple[tuple[TrackRecord, ...], str | None]:
    """One page of tracks in order of point id, and the track to continue after."""
    start = None if after is None else track_point(after)
    # One more tells whether there is another page; the engine starts with ``after`` itself.
    found = shards[Level.TRACK].scroll(
        filter, payload=selector(None), vectors=vectors, limit=limit + 2, offset=start
    )
    page = [record for record in found if str(record.id) != start]
    records = _records(shards, info, page[:limit], vectors=vectors, segments=segments)
    return records, records[-1].id if len(page) > limit else None


def _records(
    shards: Mapping[Level, Shard],
    info: LibraryInfo,
    found: Sequence[engine.Record],
    *,
    vectors: bool,
    segments: bool,
) -> tuple[TrackRecord, ...]:
    ids = [track_id_of(record.payload or {}) for record in found]
    parts = _segments(shards, info, ids, vectors=vectors) if segments else {}
    return tuple(
        TrackRecord(
            track_id,
            decode_fields(record.payload or {}),
            decode_vectors(info.spaces, record.vector) if vectors else {},
            tuple(sorted(parts.get(track_id, ()), key=lambda segment: segment.span)),
        )
        for track_id, record in zip(ids, found, strict=True)
    )


def _segments(
    shards: Mapping[Level, Shard], info: LibraryInfo, track_ids: Sequence[str], *, vectors: bool
) -> dict[str, list[SegmentRecord]]:
    parts: dict[str, list[SegmentRecord]] = {}
    if not track_ids:
        return parts
    theirs = as_filter(translate(TrackIds(tuple(track_ids)), {}, _DIALECT))
    for record in shards[Level.SEGMENT].scroll(theirs, payload=selector(()), vectors=vectors):
        payload = record.payload or {}
        span = span_of(payload)
        if span is not None:
            held = decode_vectors(info.spaces, record.vector) if vectors else {}
            parts.setdefault(track_id_of(payload), []).append(SegmentRecord(span, held))
    return parts
