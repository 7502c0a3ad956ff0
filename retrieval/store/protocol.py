"""The store protocol, and the questions and answers that pass through it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from retrieval.core.filters import Filter
from retrieval.core.payload import Field, Payload
from retrieval.core.queries import FacetCount
from retrieval.core.spaces import EmbeddingSpace, Level, Probe, Statistics
from retrieval.core.tracks import LibraryInfo, Span, TrackRecord, TrackUpdate


@dataclass(frozen=True, slots=True, eq=False)
class StoreQuery:
    """One engine query: the nearest points to a probe.

    Weighted-Euclidean and sparse spaces answer exactly; cosine and dot spaces through HNSW, within
    the recall of its settings, unless ``exact`` is set.

    Attributes:
        probe: The query vector, already checked against the space.
        level: Ask the tracks, or the segments.
        filter: Already checked against the library's fields. On segments it applies to the copied
            payload of the track.
        limit: Points wanted; with ``per_track`` set, tracks wanted.
        per_track: SEGMENT level only: at most this many segments of each track; the answer is
            ordered by each track's best segment, then by score.
        payload: Payload fields to return; None means all, empty none.
        exact: Scan instead of using HNSW.
    """

    probe: Probe
    level: Level = Level.TRACK
    filter: Filter | None = None
    limit: int = 10
    per_track: int | None = None
    payload: tuple[str, ...] | None = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One point of an engine answer.

    Attributes:
        track_id: The track, or the track that the segment is of.
        score: Higher is better; see ``Distance``.
        span: The segment's time span; None for tracks.
        distance: Exact distance in weighted-Euclidean spaces, else None.
        payload: The fields asked for.
    """

    track_id: str
    score: float
    span: Span | None = None
    distance: float | None = None
    payload: Payload = field(default_factory=dict)


class Store(Protocol):
    """One library in one engine. Safe to call from several threads.

    Answers are ordered by score, ties by track id and then start time. Writes are acknowledged when
    they survive a killed process. Every method raises StoreError (STORE_UNAVAILABLE) if the engine
    is gone, and PreconditionError (LIBRARY_MISSING) if ``declare`` was never called.
    """

    def info(self) -> LibraryInfo:
        """What the library is made of; cheap, cached."""
        ...

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """Create the library, add spaces and fields, or empty a space for another revision.

        See ``LibraryWriter.declare``. At every instant, also that of a crash, a space has either
        the old revision with its vectors, or the new one and none of these, or it is not there and
        the next declaration makes it.
        """
        ...

    def set_statistics(self, space: str, statistics: Statistics) -> None:
        """Freeze a space's statistics, durably and atomically."""
        ...

    def write(self, records: Sequence[TrackRecord]) -> None:
        """Write whole tracks, replacing whatever there was, stale segments included."""
        ...

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """Replace payloads (track and segments) and the given vectors; unknown ids are ignored."""
        ...

    def delete(self, track_ids: Sequence[str]) -> int:
        """Delete tracks and their segments; returns how many tracks there were."""
        ...

    def retrieve(
        self,
        track_ids: Sequence[str],
        *,
        payload: tuple[str, ...] | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[TrackRecord, ...]:
        """The tracks among these that exist, in the given order.

        Args:
            track_ids: Ids to look up.
            payload: Payload fields to return; None means all.
            vectors: Return vectors too, in the spaces' own units.
            segments: Return the segments too, in order of start time.
        """
        ...

    def scroll(
        self,
        filter: Filter | None = None,
        *,
        limit: int,
        after: str | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[tuple[TrackRecord, ...], str | None]:
        """One page of tracks in the store's stable order, and the id to continue after (or None).

        ``after`` need not exist any more: deletions never break a walk.
        """
        ...

    def count(self, filter: Filter | None = None, level: Level = Level.TRACK) -> int:
        """Exact number of points that pass the filter."""
        ...

    def count_vectors(self, space: str) -> int:
        """Exact number of tracks that have a vector in this space."""
        ...

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """Exact counts of a field's values over tracks, most frequent first, ties by value.

        Raises:
            InvalidInputError: INVALID_FIELD for float and datetime fields.
        """
        ...

    def search(self, queries: Sequence[StoreQuery]) -> tuple[tuple[Match, ...], ...]:
        """Answer several queries in one round trip, in the given order."""
        ...

    def optimize(self) -> None:
        """Build indexes for what was written. In a service, queries go on meanwhile."""
        ...

    def flush(self) -> None:
        """Make every acknowledged write survive a power loss too."""
        ...

    def close(self) -> None:
        """Flush and release files, locks, processes and connections; idempotent."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A store that takes its writes in small steps and lets other work in between."""

    def let_in(self, between: Callable[[], None]) -> None:
        """Call this between the steps of every write from now on; it may ask the store things."""
        ...


def records(store: Store, *, page: int = 64, segments: bool = True) -> Iterator[TrackRecord]:
    """Every track of a store with its vectors, page by page."""
    after: str | None = None
    while True:
        batch, after = store.scroll(limit=page, after=after, vectors=True, segments=segments)
        yield from batch
        if after is None:
            return
