"""A library open in this process: a store, the encoders, and the query path between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from retrieval.audio import Limits
from retrieval.core.budget import Budget
from retrieval.core.errors import InvalidInputError, NotFoundError
from retrieval.core.filters import Filter
from retrieval.core.library import RecordPage, SpaceStatus
from retrieval.core.payload import Field, FieldType
from retrieval.core.queries import (
    MAX_LIMIT,
    FacetCount,
    RecommendRequest,
    SearchRequest,
    SearchResponse,
    TrackPage,
)
from retrieval.core.series import Series
from retrieval.core.spaces import EmbeddingSpace, Statistics
from retrieval.core.tracks import (
    LibraryInfo,
    Track,
    TrackRecord,
    TrackUpdate,
    check_track_id,
)
from retrieval.encoders.protocol import Encoder
from retrieval.search.calibration_measure import Calibrations
from retrieval.search.coverage import Coverage
from retrieval.search.encoding import Decoder, Encoding
from retrieval.search.pictures import Pictures
from retrieval.search.pipeline import answer
from retrieval.search.plan import check_scope
from retrieval.search.queries.kind import Sources
from retrieval.search.statistics import fit, statistics_space
from retrieval.search.text_batches import TextCounts
from retrieval.search.text_cache import DEFAULT_ENTRIES
from retrieval.search.weights import statistics_of
from retrieval.store.protocol import Store
from retrieval.store.series import SeriesFolder

MAX_BATCH = 1_000


class LocalLibrary:
    """Implements ``retrieval.core.library.Library`` over a store. Safe from several threads."""

    def __init__(
        self,
        store: Store,
        encoders: Mapping[str, Encoder],
        decoder: Decoder | None = None,
        *,
        limits: Limits | None = None,
        text_cache: int = DEFAULT_ENTRIES,
        calibrations: Path | None = None,
        series: SeriesFolder | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        """Open a library over a store, which ``close`` closes with it.

        Args:
            store: Where the library lives.
            encoders: Encoders of this machine by the name of their space.
            decoder: Decodes audio queries apart from this process; None decodes in it.
            limits: Bounds on the sound of a query.
            text_cache: Vectors of repeated texts to keep; 0 keeps none.
            calibrations: Folder to keep what scores are worth; None measures it in every process.
            series: Where series of tracks are kept; None keeps none.
            pictures: The models for pictures; None means the default mapping alone.
        """
        self._store = store
        self._series = series
        self._pictures = pictures or Pictures()
        self._coverage = Coverage(store)
        self._encoding = Encoding(encoders, decoder=decoder, limits=limits, text_cache=text_cache)
        self._calibrations = Calibrations(store, self._encoding, self._coverage, calibrations)

    # Questions

    def info(self) -> LibraryInfo:
        """Spaces, fields and statistics; see ``LibraryReader.info``."""
        return self._store.info()

    def search(self, request: SearchRequest, *, budget: Budget | None = None) -> SearchResponse:
        """Answer a search within the budget."""
        return answer(request, self._sources(budget))

    def recommend(
        self, request: RecommendRequest, *, budget: Budget | None = None
    ) -> SearchResponse:
        """Answer a recommendation within the budget."""
        return answer(request, self._sources(budget))

    def _sources(self, budget: Budget | None) -> Sources:
        info = self._store.info()
        return Sources(
            store=self._store,
            info=info,
            encoding=self._encoding,
            coverage=self._coverage,
            calibrations=self._calibrations,
            budget=budget or Budget(),
            pictures=self._pictures,
            series=self._series,
        )

    def get_track(self, track_id: str) -> Track:
        """One track with its whole payload.

        Raises:
            NotFoundError: TRACK_NOT_FOUND.
        """
        found = self.fetch([check_track_id(track_id)])
        if not found:
            raise NotFoundError(
                f"track {track_id!r} is not in the library", metadata={"track": track_id}
            )
        return found[0]

    def list_tracks(
        self, filter: Filter | None = None, *, limit: int = 100, after: str | None = None
    ) -> TrackPage:
        """Tracks that pass the filter, in the store's stable order.

        Raises:
            InvalidInputError: If the limit is not 1 to 1000, or the filter does not fit.
        """
        _check_limit(limit)
        if after is not None:
            check_track_id(after, where="after")
        check_scope(filter, None, self._store.info().fields)
        found, following = self._store.scroll(filter, limit=limit, after=after)
        return TrackPage(tuple(Track(r.id, r.payload) for r in found), following)

    def count_tracks(self, filter: Filter | None = None) -> int:
        """Exact number of tracks that pass the filter."""
        check_scope(filter, None, self._store.info().fields)
        return self._store.count(filter)

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """Values of a field with their exact track counts.

        Raises:
            InvalidInputError: INVALID_FIELD if there is no such field, or its values are floats or
                datetimes, which hardly ever repeat.
        """
        _check_limit(limit)
        fields = self._store.info().fields
        check_scope(filter, None, fields)
        countable = [
            name
            for name, one in sorted(fields.items())
            if one.type not in (FieldType.FLOAT, FieldType.DATETIME)
        ]
        if field not in countable:
            problem = "has no values to count" if field in fields else "is not a field"
            raise InvalidInputError(
                f"facets: {field[:80]!r} {problem}; these have: {', '.join(countable)}",
                reason="INVALID_FIELD",
                metadata={"field": field[:80]},
            )
        return self._store.facets(field, filter, limit=limit)

    def spaces(self) -> tuple[SpaceStatus, ...]:
        """The library's spaces by name, with how many tracks have a vector in each."""
        info = self._store.info()
        return tuple(
            SpaceStatus(
                space=space,
                tracks=self._store.count_vectors(name),
                statistics=statistics_of(space, info, self._encoding),
                encoder=self._encoding.has(space),
                problem=self._encoding.problem(space),
            )
            for name, space in sorted(info.spaces.items())
        )

    def text_counts(self) -> Mapping[str, TextCounts]:
        """What became of the query texts so far, by space."""
        return self._encoding.text_counts()

    def fetch(self, track_ids: Sequence[str]) -> tuple[Track, ...]:
        """The tracks among these that exist, in the given order."""
        _check_batch(track_ids)
        records = self._store.retrieve(list(track_ids)) if track_ids else ()
        return tuple(Track(record.id, record.payload) for record in records)

    def fetch_records(self, track_ids: Sequence[str]) -> tuple[TrackRecord, ...]:
        """The whole records among these that exist, in the given order, segments included."""
        _check_batch(track_ids)
        return self._store.retrieve(list(track_ids), vectors=True, segments=True)

    def read_page(
        self, filter: Filter | None = None, *, limit: int = 256, after: str | None = None
    ) -> RecordPage:
        """Tracks that pass the filter, with their vectors and without segments.

        Raises:
            InvalidInputError: As ``list_tracks``.
        """
        _check_limit(limit)
        if after is not None:
            check_track_id(after, where="after")
        check_scope(filter, None, self._store.info().fields)
        return RecordPage(*self._store.scroll(filter, limit=limit, after=after, vectors=True))

    def get_series(self, track_id: str, names: Collection[str] = ()) -> tuple[Series, ...]:
        """Series of a track, by name; see ``SeriesLibrary.get_series``."""
        self.get_track(track_id)
        return self._series.read(track_id, names) if self._series is not None else ()

    # Changes

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """Create the library if need be and add what it lacks; see ``LibraryWriter.declare``."""
        with self._changing():
            return self._store.declare(spaces, fields, replacing)

    def write(self, records: Sequence[TrackRecord]) -> None:
        """Write whole tracks, replacing what the library held of them; the store checks them."""
        with self._changing():
            self._store.write(records)

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """Change payloads and some vectors; unknown tracks are ignored."""
        with self._changing():
            self._store.update(updates)

    def delete_tracks(self, track_ids: Sequence[str]) -> int:
        """Delete tracks with their segments; returns how many there were."""
        _check_batch(track_ids)
        with self._changing():
            deleted = self._store.delete(list(track_ids)) if track_ids else 0
        if self._series is not None:
            self._series.delete(track_ids)
        return deleted

    def write_series(
        self, track_id: str, series: Sequence[Series], *, replacing: Collection[str] = ()
    ) -> None:
        """Keep series of a track; see ``SeriesLibrary.write_series``."""
        if self._series is not None:
            self._series.write(track_id, series, replacing=replacing)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            yield
        finally:  # a write that failed may have been half done
            self._coverage.changed()

    def refit(self, space: str) -> Statistics:
        """Fit and freeze the space's statistics on the tracks there are now.

        Raises:
            PreconditionError: SPACE_UNAVAILABLE; see ``LibraryWriter.refit``.
        """
        statistics = fit(self._store, statistics_space(self._store.info(), space))
        self._store.set_statistics(space, statistics)
        return statistics

    def optimize(self) -> None:
        """Build indexes for what was written."""
        self._store.optimize()

    def close(self) -> None:
        """Close the store."""
        self._pictures.close()
        self._store.close()


def _check_batch(track_ids: Sequence[str]) -> None:
    if len(track_ids) > MAX_BATCH:
        raise InvalidInputError(
            f"tracks: at most {MAX_BATCH} at a time, got {len(track_ids)}",
            metadata={"field": "tracks"},
        )
    for place, track_id in enumerate(track_ids):
        check_track_id(track_id, where=f"tracks[{place}]")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(
            f"limit: 1 to {MAX_LIMIT}, got {limit}", metadata={"field": "limit"}
        )
