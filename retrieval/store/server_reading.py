"""Looking records up in the two collections of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import models

from retrieval.core.errors import StoreError
from retrieval.core.filters import TrackIds
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo, SegmentRecord, TrackRecord
from retrieval.store import server_schema as schema
from retrieval.store.filters import translate
from retrieval.store.points import decode_fields, selector, span_of, track_id_of
from retrieval.store.server_calls import ServerCalls

_DIALECT = schema.ServerDialect()
_PAGE = 1_000

Names = Mapping[Level, str]


def fetch(
    calls: ServerCalls,
    names: Names,
    points: Sequence[str],
    *,
    payload: list[str],
    vectors: bool = False,
) -> dict[str, models.Record]:
    """The track points among these that exist, by id."""
    found: dict[str, models.Record] = {}
    for start in range(0, len(points), _PAGE):
        answer = calls.ask(
            calls.client.retrieve,
            names[Level.TRACK],
            ids=points[start : start + _PAGE],
            with_payload=payload,
            with_vectors=vectors,
        )
        found.update({str(record.id): record for record in answer})
    return found


def assemble(
    calls: ServerCalls,
    names: Names,
    info: LibraryInfo,
    found: Sequence[models.Record],
    *,
    vectors: bool,
    segments: bool,
) -> tuple[TrackRecord, ...]:
    """Records of track points, in the given order, with their segments if asked for."""
    ids = [track_id_of(record.payload or {}) for record in found]
    parts = _segments(calls, names, info, ids, vectors) if segments and ids else {}
    return tuple(
        TrackRecord(
            track_id,
            decode_fields(record.payload or {}),
            schema.decode_vectors(info, record.vector),
            tuple(sorted(parts.get(track_id, ()), key=lambda segment: segment.span)),
        )
        for track_id, record in zip(ids, found, strict=True)
    )


def _segments(
    calls: ServerCalls, names: Names, info: LibraryInfo, track_ids: Sequence[str], vectors: bool
) -> dict[str, list[SegmentRecord]]:
    parts: dict[str, list[SegmentRecord]] = {}
    offset: Any = None
    while True:
        found, offset = calls.ask(
            calls.client.scroll,
            names[Level.SEGMENT],
            scroll_filter=schema.as_filter(
                translate(TrackIds(tuple(track_ids)), info.fields, _DIALECT)
            ),
            limit=_PAGE,
            offset=offset,
            with_payload=selector(()),
            with_vectors=vectors,
        )
        for record in found:
            payload = record.payload or {}
            span = span_of(payload)
            if span is None:
                raise StoreError("a segment has no time span", reason="STORE_CORRUPT")
            held = schema.decode_vectors(info, record.vector)
            parts.setdefault(track_id_of(payload), []).append(SegmentRecord(span, held))
        if offset is None:
            return parts
