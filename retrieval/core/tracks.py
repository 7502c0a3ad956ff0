"""Tracks, segments, and the records that writers hand to a library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import Field, Payload
from retrieval.core.spaces import EmbeddingSpace, Statistics, Vector

TRACK_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")


def check_track_id(track_id: str, *, where: str = "track") -> str:
    """Return the id unchanged.

    Raises:
        InvalidInputError: INVALID_REQUEST if it is not 1 to 64 of A-Z, a-z, 0-9, '_' and '-'.
    """
    if not TRACK_ID.match(track_id):
        raise InvalidInputError(
            f"{where}: {track_id[:80]!r} is not a track id", metadata={"field": where}
        )
    return track_id


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A time span of a track in seconds: 0 <= start < end."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < 1e7:
            raise InvalidInputError(
                f"segment {self.start}..{self.end}: needs 0 <= start < end (seconds)"
            )


@dataclass(frozen=True, slots=True)
class Track:
    """One recording as the library knows it.

    Attributes:
        id: Identity by decoded sound; stable under rename and retag.
        payload: What filters see; absent fields are not known.
    """

    id: str
    payload: Payload = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the recording lies, in order of discovery."""
        value = self.payload.get("paths", ())
        return tuple(str(p) for p in value) if isinstance(value, tuple) else (str(value),)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRecord:
    """One segment to store: its span and a vector per segment-level space."""

    span: Span
    vectors: Mapping[str, Vector]


@dataclass(frozen=True, slots=True, eq=False)
class TrackRecord:
    """One track to store, whole: writing it replaces all the library held of this track id.

    Attributes:
        id: Track id.
        payload: The full payload; the store copies the filterable part to the segments.
        vectors: One vector per track-level space, in the space's own units (never expanded).
        segments: In order of start time; empty if no space has segments.
    """

    id: str
    payload: Payload
    vectors: Mapping[str, Vector]
    segments: tuple[SegmentRecord, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TrackUpdate:
    """A change that leaves the sound alone (rename, retag): new payload, some vectors replaced.

    Attributes:
        id: Track id; unknown ids are ignored.
        payload: The full new payload; replaces the old one on the track and its segments.
        vectors: Track-level vectors to replace (the lexical one, usually); others stay.
    """

    id: str
    payload: Payload
    vectors: Mapping[str, Vector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a library is made of.

    Attributes:
        id: UUID made when the library was created; manifests and page tokens are bound to it.
        spaces: By name.
        fields: Declared payload fields by name; a superset of ``STANDARD_FIELDS``.
        statistics: Frozen per space; a space absent here still uses its encoder's reference values.
    """

    id: str
    spaces: Mapping[str, EmbeddingSpace]
    fields: Mapping[str, Field]
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
