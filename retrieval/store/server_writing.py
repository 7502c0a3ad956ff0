"""What a write does to the two collections of a server; every operation may be applied twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qdrant_client import models

from retrieval.core.filters import TrackIds
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo, TrackRecord, TrackUpdate
from retrieval.store import server_schema as schema
from retrieval.store.filters import translate
from retrieval.store.points import (
    encode_fields,
    segment_payload,
    segment_point,
    track_payload,
    track_point,
)
from retrieval.store.server_calls import ServerCalls

_DIALECT = schema.ServerDialect()
_BATCH = 256
"""Points per request: 2 MiB at 2,048 dimensions, far below a server's limit of 32."""

Names = Mapping[Level, str]


def write_records(
    calls: ServerCalls, names: Names, info: LibraryInfo, records: Sequence[TrackRecord]
) -> None:
    """Write whole tracks, and delete the segments they no longer have."""
    for batch in _by_points(records):
        segments = [
            models.PointStruct(
                id=segment_point(record.id, segment.span),
                vector=schema.encode_vectors(info, segment.vectors),
                payload=segment_payload(record.id, segment.span, record.payload, info.fields),
            )
            for record in batch
            for segment in record.segments
        ]
        tracks = [
            models.PointStruct(
                id=track_point(record.id),
                vector=schema.encode_vectors(info, record.vectors),
                payload=track_payload(record.id, record.payload, info.fields),
            )
            for record in batch
        ]
        for part in _parts(segments):
            calls.tell(calls.client.upsert, names[Level.SEGMENT], points=part, wait=True)
        _delete_segments(
            calls, names, [record.id for record in batch], keep=[point.id for point in segments]
        )
        calls.tell(calls.client.upsert, names[Level.TRACK], points=tracks, wait=True)


def update_tracks(
    calls: ServerCalls, names: Names, info: LibraryInfo, updates: Sequence[TrackUpdate]
) -> None:
    """Replace payloads, on segments too, and the given vectors of tracks, which all exist."""
    for batch in _parts(updates):
        on_segments: list[models.UpdateOperation] = []
        on_tracks: list[models.UpdateOperation] = []
        for update in batch:
            point = track_point(update.id)
            payload = encode_fields(update.payload, info.fields)
            of_track = schema.as_filter(translate(TrackIds((update.id,)), info.fields, _DIALECT))
            on_segments.append(
                models.SetPayloadOperation(
                    set_payload=models.SetPayload(payload=payload, filter=of_track)
                )
            )
            on_tracks.append(
                models.SetPayloadOperation(
                    set_payload=models.SetPayload(payload=payload, points=[point])
                )
            )
            on_tracks.extend(_vector_changes(info, update, point))
        for level, operations in ((Level.SEGMENT, on_segments), (Level.TRACK, on_tracks)):
            calls.tell(
                calls.client.batch_update_points,
                names[level],
                update_operations=operations,
                wait=True,
            )


def delete_tracks(calls: ServerCalls, names: Names, track_ids: Sequence[str]) -> None:
    """Delete tracks and their segments."""
    for batch in _parts(track_ids):
        _delete_segments(calls, names, batch)
        points = models.PointIdsList(points=[track_point(track_id) for track_id in batch])
        calls.tell(calls.client.delete, names[Level.TRACK], points_selector=points, wait=True)


def _delete_segments(
    calls: ServerCalls, names: Names, track_ids: Sequence[str], keep: Sequence[Any] = ()
) -> None:
    of_tracks = translate(TrackIds(tuple(track_ids)), {}, _DIALECT)
    kept = models.HasIdCondition(has_id=list(keep)) if keep else None
    selected = models.FilterSelector(filter=models.Filter(must=[of_tracks], must_not=kept))
    calls.tell(calls.client.delete, names[Level.SEGMENT], points_selector=selected, wait=True)


def _vector_changes(
    info: LibraryInfo, update: TrackUpdate, point: str
) -> Iterator[models.UpdateOperation]:
    vectors = schema.encode_vectors(info, update.vectors)
    if vectors:
        changed = models.PointVectors(id=point, vector=vectors)
        yield models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=[changed]))
    emptied = [name for name, vector in update.vectors.items() if schema.is_empty(vector)]
    if emptied:
        yield models.DeleteVectorsOperation(
            delete_vectors=models.DeleteVectors(points=[point], vector=emptied)
        )


def _by_points(records: Sequence[TrackRecord]) -> Iterator[list[TrackRecord]]:
    batch: list[TrackRecord] = []
    size = 0
    for record in records:
        points = 1 + len(record.segments)
        if batch and size + points > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += points
    if batch:
        yield batch


def _parts(items: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _BATCH):
        yield list(items[start : start + _BATCH])
