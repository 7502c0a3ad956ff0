"""What a library can do, whether it is open in this process or behind a service.

The command line and the indexer speak these protocols; ``retrieval.search.LocalLibrary`` and
``retrieval.client.Client`` implement them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from retrieval.core.filters import Filter
from retrieval.core.payload import Field
from retrieval.core.queries import (
    FacetCount,
    RecommendRequest,
    SearchRequest,
    SearchResponse,
    TrackPage,
)
from retrieval.core.series import Series
from retrieval.core.spaces import EmbeddingSpace, Statistics
from retrieval.core.tracks import LibraryInfo, Track, TrackRecord, TrackUpdate


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """A space of a library, and whether this machine can encode queries for it.

    Attributes:
        space: The space as the library holds it.
        tracks: Tracks that have a vector in it.
        statistics: Frozen statistics, or the encoder's reference values, or None.
        encoder: True if an encoder of the same revision is loaded here.
        problem: Why there is none, and what to do; empty if there is one.
    """

    space: EmbeddingSpace
    tracks: int
    statistics: Statistics | None
    encoder: bool
    problem: str = ""


class LibraryReader(Protocol):
    """Questions to a library."""

    def info(self) -> LibraryInfo:
        """Spaces, fields and statistics.

        Raises:
            PreconditionError: LIBRARY_MISSING if nothing has been indexed yet.
        """
        ...

    def search(self, request: SearchRequest) -> SearchResponse:
        """Answer a search; see ``SearchRequest``."""
        ...

    def recommend(self, request: RecommendRequest) -> SearchResponse:
        """Tracks like the positive examples and unlike the negative ones."""
        ...

    def get_track(self, track_id: str) -> Track:
        """One track with its whole payload.

        Raises:
            NotFoundError: TRACK_NOT_FOUND.
        """
        ...

    def list_tracks(
        self, filter: Filter | None = None, *, limit: int = 100, after: str | None = None
    ) -> TrackPage:
        """Tracks that pass the filter, in a stable order; ``after`` continues a page."""
        ...

    def count_tracks(self, filter: Filter | None = None) -> int:
        """Exact number of tracks that pass the filter."""
        ...

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """Values of a field with their exact track counts, most frequent first, ties by value."""
        ...

    def spaces(self) -> tuple[SpaceStatus, ...]:
        """The library's spaces, by name."""
        ...

    def close(self) -> None:
        """Release everything; further calls fail."""
        ...


class LibraryWriter(Protocol):
    """What the indexer needs of a library. Every call returns once its effect is durable."""

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """Create the library if need be and add the spaces and fields it lacks.

        Args:
            spaces: What the library is to have.
            fields: Payload fields besides the standard ones.
            replacing: Names of spaces that may change: one that the library has with another
                revision or shape loses all its vectors and statistics and becomes the given one.

        Raises:
            PreconditionError: REVISION_MISMATCH if a space exists with another revision or shape
                and may not change, FIELD_TYPE_CONFLICT if a field exists with another type.
        """
        ...

    def write(self, records: Sequence[TrackRecord]) -> None:
        """Write whole tracks; a second write of the same record changes nothing."""
        ...

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """Change payloads and some vectors; unknown tracks are ignored."""
        ...

    def fetch(self, track_ids: Sequence[str]) -> tuple[Track, ...]:
        """The tracks among these that exist, in the given order."""
        ...

    def delete_tracks(self, track_ids: Sequence[str]) -> int:
        """Delete tracks with their segments; returns how many there were."""
        ...

    def refit(self, space: str) -> Statistics:
        """Fit and freeze the space's statistics on the tracks the library holds now.

        Raises:
            PreconditionError: SPACE_UNAVAILABLE if there is no such space, it keeps no statistics,
                or fewer than 2 tracks have a vector in it.
        """
        ...

    def optimize(self) -> None:
        """Build indexes for what was written; queries go on meanwhile."""
        ...


@runtime_checkable
class RecordReader(Protocol):
    """A library that also gives back what was written to it, vectors and all.

    With it the indexer adds one space to tracks that are already there and encodes nothing else;
    without it such a track is encoded again in every space.
    """

    def fetch_records(self, track_ids: Sequence[str]) -> tuple[TrackRecord, ...]:
        """The whole records among these that exist, in the given order, segments included."""
        ...


@runtime_checkable
class SeriesLibrary(Protocol):
    """A library that also keeps series of its tracks."""

    def get_series(self, track_id: str, names: Collection[str] = ()) -> tuple[Series, ...]:
        """Those of these names that a track has, or all, by name.

        Raises:
            NotFoundError: TRACK_NOT_FOUND.
        """
        ...

    def write_series(
        self, track_id: str, series: Sequence[Series], *, replacing: Collection[str] = ()
    ) -> None:
        """Keep series of a track, in the place of those of the same names and of ``replacing``.

        They go when the track is deleted.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RecordPage:
    """One page of tracks with their vectors; ``next_after`` continues it, None after the last."""

    records: tuple[TrackRecord, ...]
    next_after: str | None


@runtime_checkable
class VectorReader(Protocol):
    """A library that can be read as a whole, vectors and all, a page at a time."""

    def read_page(
        self, filter: Filter | None = None, *, limit: int = 256, after: str | None = None
    ) -> RecordPage:
        """Tracks that pass the filter, with their track vectors; segments may be left out.

        The order is that of ``list_tracks``. Tracks that are changed or deleted between pages do
        not disturb the walk.
        """
        ...


class Library(LibraryReader, LibraryWriter, VectorReader, Protocol):
    """A library to read from and write to."""
