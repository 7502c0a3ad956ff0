"""Tracks, and the records and updates that writers send."""

from __future__ import annotations

from collections.abc import Iterable

from retrieval.api.checks import join, required
from retrieval.api.names import PREFIX, track_id, track_name
from retrieval.api.v1 import library_pb2 as pb
from retrieval.api.v1 import types_pb2
from retrieval.api.values import decode_payload, encode_payload, fill_payload
from retrieval.api.vectors import (
    decode_span,
    decode_vectors,
    encode_span,
    encode_vectors,
)
from retrieval.core.tracks import SegmentRecord, Track, TrackRecord, TrackUpdate


def encode_track(track: Track) -> types_pb2.Track:
    """A library's track for the wire."""
    message = types_pb2.Track(name=PREFIX + track.id)
    fill_payload(message, track.payload)
    return message


def decode_track(message: types_pb2.Track, where: str) -> Track:
    """A track from the wire.

    Raises:
        InvalidInputError: If the name or a payload value is malformed.
    """
    return Track(
        track_id(message.name, join(where, "name")),
        decode_payload(message.payload, join(where, "payload")),
    )


def encode_segment(segment: SegmentRecord) -> pb.SegmentRecord:
    """One segment of a record for the wire."""
    return pb.SegmentRecord(span=encode_span(segment.span), vectors=encode_vectors(segment.vectors))


def decode_segments(messages: Iterable[pb.SegmentRecord], where: str) -> tuple[SegmentRecord, ...]:
    """Segments of a record from the wire.

    Raises:
        InvalidInputError: If a span is missing or malformed, or a vector is.
    """
    segments = []
    for i, message in enumerate(messages):
        at = f"{where}[{i}]"
        span = decode_span(required(message, "span", at), join(at, "span"))
        segments.append(SegmentRecord(span, decode_vectors(message.vectors, join(at, "vectors"))))
    return tuple(segments)


def encode_record(record: TrackRecord) -> pb.TrackRecord:
    """A track to store, for the wire.

    Raises:
        InvalidInputError: If the id or a payload value cannot travel.
    """
    return pb.TrackRecord(
        name=track_name(record.id),
        payload=encode_payload(record.payload, f"{record.id}.payload"),
        vectors=encode_vectors(record.vectors),
        segments=map(encode_segment, record.segments),
    )


def decode_record(message: pb.TrackRecord, where: str) -> TrackRecord:
    """A track to store, from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    return TrackRecord(
        track_id(message.name, join(where, "name")),
        decode_payload(message.payload, join(where, "payload")),
        decode_vectors(message.vectors, join(where, "vectors")),
        decode_segments(message.segments, join(where, "segments")),
    )


def encode_update(update: TrackUpdate) -> pb.TrackUpdate:
    """A change to a track, for the wire.

    Raises:
        InvalidInputError: If the id or a payload value cannot travel.
    """
    return pb.TrackUpdate(
        name=track_name(update.id),
        payload=encode_payload(update.payload, f"{update.id}.payload"),
        vectors=encode_vectors(update.vectors),
    )


def decode_update(message: pb.TrackUpdate, where: str) -> TrackUpdate:
    """A change to a track, from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    return TrackUpdate(
        track_id(message.name, join(where, "name")),
        decode_payload(message.payload, join(where, "payload")),
        decode_vectors(message.vectors, join(where, "vectors")),
    )
