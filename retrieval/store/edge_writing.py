"""What a write does to the two shards; every operation may be applied twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import qdrant_edge as engine

from retrieval.core.filters import TrackIds
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo, TrackRecord, TrackUpdate
from retrieval.store.edge_filters import EdgeDialect, as_filter
from retrieval.store.edge_shard import Shard
from retrieval.store.edge_vectors import encode_vectors, is_empty
from retrieval.store.filters import translate
from retrieval.store.points import (
    TRACK,
    encode_fields,
    segment_payload,
    segment_point,
    track_id_of,
    track_payload,
    track_point,
)

_DIALECT = EdgeDialect()


def write_records(
    shards: Mapping[Level, Shard], info: LibraryInfo, records: Sequence[TrackRecord]
) -> None:
    """Write whole tracks, and delete the segments they no longer have."""
    held = segments_of(shards, [record.id for record in records])
    written = {segment_point(r.id, segment.span) for r in records for segment in r.segments}
    stale = sorted({point for points in held.values() for point in points} - written)
    shards[Level.SEGMENT].upsert(
        engine.Point(
            segment_point(record.id, segment.span),
            encode_vectors(info.spaces, segment.vectors),
            segment_payload(record.id, segment.span, record.payload, info.fields),
        )
        for record in records
        for segment in record.segments
    )
    shards[Level.SEGMENT].delete(stale)
    shards[Level.TRACK].upsert(
        engine.Point(
            track_point(record.id),
            encode_vectors(info.spaces, record.vectors),
            track_payload(record.id, record.payload, info.fields),
        )
        for record in records
    )


def update_tracks(
    shards: Mapping[Level, Shard], info: LibraryInfo, updates: Sequence[TrackUpdate]
) -> None:
    """Replace payloads, on segments too, and the given vectors of tracks that exist."""
    tracks = shards[Level.TRACK]
    known = tracks.retrieve([track_point(u.id) for u in updates], [TRACK], vectors=False)
    updates = [u for u in updates if track_point(u.id) in known]
    segments = segments_of(shards, [u.id for u in updates])
    for update in updates:
        point = track_point(update.id)
        payload = encode_fields(update.payload, info.fields)
        shards[Level.SEGMENT].set_payload(segments.get(update.id, []), payload)
        tracks.set_payload([point], payload)
        vectors = encode_vectors(info.spaces, update.vectors)
        if vectors:
            change = engine.UpdateOperation.update_vectors([engine.PointVectors(point, vectors)])
            tracks.raw.update(change)
        emptied = [name for name, vector in update.vectors.items() if is_empty(vector)]
        if emptied:
            tracks.raw.update(engine.UpdateOperation.delete_vectors([point], emptied))


def delete_tracks(shards: Mapping[Level, Shard], track_ids: Sequence[str]) -> None:
    """Delete tracks and their segments."""
    for points in segments_of(shards, track_ids).values():
        shards[Level.SEGMENT].delete(points)
    shards[Level.TRACK].delete([track_point(track_id) for track_id in track_ids])


def segments_of(shards: Mapping[Level, Shard], track_ids: Sequence[str]) -> dict[str, list[str]]:
    """Point ids of the tracks' segments, by track; without tracks that have none."""
    if not track_ids:
        return {}
    found: dict[str, list[str]] = {}
    theirs = as_filter(translate(TrackIds(tuple(track_ids)), {}, _DIALECT))
    for record in shards[Level.SEGMENT].scroll(theirs, payload=[TRACK]):
        found.setdefault(track_id_of(record.payload or {}), []).append(str(record.id))
    return found
