"""Read masks: which parts of a hit or a track an answer holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.field_mask_pb2 import FieldMask

from retrieval.api.checks import invalid
from retrieval.core.payload import FIELD_NAME

_HIT_PARTS = ("score", "segments", "evidence", "fit", "cue")


@dataclass(frozen=True, slots=True)
class TrackMask:
    """Parts of a track to return.

    Attributes:
        name: Return the resource name.
        payload_fields: Payload fields to return; None means all, empty none.
    """

    name: bool = True
    payload_fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class HitMask:
    """Parts of a hit to return."""

    track: TrackMask = TrackMask()
    score: bool = True
    segments: bool = True
    evidence: bool = True
    fit: bool = True
    cue: bool = True


def decode_track_mask(mask: FieldMask, where: str = "read_mask") -> TrackMask:
    """A mask over ``Track``; an empty one means everything.

    Raises:
        InvalidInputError: INVALID_FIELD for a path that a track does not have.
    """
    if not mask.paths:
        return TrackMask()
    return _track_mask(
        ((path, f"{where}.paths[{i}]") for i, path in enumerate(mask.paths)),
        "name, payload, payload.FIELD, *",
    )


def decode_hit_mask(mask: FieldMask, where: str = "read_mask") -> HitMask:
    """A mask over ``Hit``; an empty one means everything.

    Raises:
        InvalidInputError: INVALID_FIELD for a path that a hit does not have.
    """
    if not mask.paths:
        return HitMask()
    parts: set[str] = set()
    track: list[tuple[str, str]] = []
    for i, path in enumerate(mask.paths):
        if path == "*":
            return HitMask()
        if path in _HIT_PARTS:
            parts.add(path)
        else:
            below = "*" if path == "track" else path.removeprefix("track.")
            track.append(("" if below == path else below, f"{where}.paths[{i}]"))
    known = f"track, track.name, track.payload, track.payload.FIELD, {', '.join(_HIT_PARTS)}, *"
    return HitMask(_track_mask(track, known), *(part in parts for part in _HIT_PARTS))


def _track_mask(paths: Iterable[tuple[str, str]], known: str) -> TrackMask:
    name, everything = False, False
    fields: dict[str, None] = {}
    for path, where in paths:
        field = path.removeprefix("payload.")
        if path == "*":
            name = everything = True
        elif path == "name":
            name = True
        elif path == "payload":
            everything = True
        elif field != path and FIELD_NAME.fullmatch(field):
            fields[field] = None
        else:
            raise invalid(where, f"there is no such field; use {known}", "INVALID_FIELD")
    return TrackMask(name, None if everything else tuple(fields))


def encode_hit_mask(payload_fields: tuple[str, ...] | None) -> FieldMask | None:
    """The mask for everything of a hit, but of the payload only these fields (None: no mask)."""
    if payload_fields is None:
        return None
    paths = [f"track.payload.{field}" for field in payload_fields]
    return FieldMask(paths=["track.name", *_HIT_PARTS, *paths])
