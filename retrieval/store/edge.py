"""The embedded store: one library in one folder, in this process, on Qdrant Edge.

::

    library.json   id, spaces, fields and statistics; written last, so that what it names exists
    tracks/        shard with one point per track
    segments/      shard with one point per segment
    pending.npz    a write in progress (retrieval.store.journal)

The engine's calls hold the interpreter's lock, so threads take turns and a lock of our own costs
nothing; a service keeps this store in another process (retrieval.store.owner).

To build indexes beside a running store: ``flush()``, copy the folder while nothing is written,
open the copy with another ``EdgeStore``, ``optimize()`` it and ``close()`` it. A copy is a library
of its own and shares nothing with the original but its id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import qdrant_edge as engine

from retrieval.core.errors import PreconditionError, StoreError
from retrieval.core.filters import Filter, check_filter
from retrieval.core.payload import Field
from retrieval.core.queries import FacetCount
from retrieval.core.spaces import EmbeddingSpace, Level, Statistics
from retrieval.core.tracks import LibraryInfo, TrackRecord, TrackUpdate
from retrieval.store import declaration, edge_reading, edge_search
from retrieval.store.admission import admit_records, admit_updates, check_facet
from retrieval.store.edge_filters import EdgeDialect, as_filter
from retrieval.store.edge_shard import Shard, engine_errors
from retrieval.store.edge_writing import delete_tracks, update_tracks, write_records
from retrieval.store.filters import translate
from retrieval.store.journal import Intent, Journal
from retrieval.store.library_file import LibraryFile
from retrieval.store.points import TRACK, field_key, track_point
from retrieval.store.protocol import Match, StoreQuery
from retrieval.store.ranking import space_of
from retrieval.store.tuning import Tuning

_DIALECT = EdgeDialect()
_FOLDERS = {Level.TRACK: "tracks", Level.SEGMENT: "segments"}


class EdgeStore:
    """A library in a folder; implements ``retrieval.store.protocol.Store``.

    Args:
        path: Folder of the library; made if it does not exist.
        tuning: How dense vectors are indexed and searched.
        on_close: Called once the files are closed, to give back a lock on them, say.

    Raises:
        StoreError: STORE_LOCKED if another process has the folder open, STORE_CORRUPT if a part of
            the library is missing or damaged.
    """

    def __init__(
        self,
        path: Path,
        tuning: Tuning | None = None,
        *,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self.path = path
        self._mutex = threading.RLock()
        self._on_close = on_close
        self._file = LibraryFile(path / "library.json")
        self._journal = Journal(path / "pending.npz")
        self._unfinished = False
        self._closed = False
        self._shards = {
            level: Shard(path / folder, level, tuning) for level, folder in _FOLDERS.items()
        }
        self._info: LibraryInfo | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._open()
        except BaseException:
            self.close()
            raise

    def info(self) -> LibraryInfo:
        """What the library is made of."""
        with self._mutex:
            self._check_open()
            return self._library()

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """Create the library, add spaces and fields, or empty a space for another revision."""
        with self._writing("declare"):
            merged = declaration.merge(self._info, spaces, fields, replacing)
            if self._info is None:
                self._create(merged)
            elif merged != self._info:
                self._apply(Intent(declare=merged))
            return merged

    def set_statistics(self, space: str, statistics: Statistics) -> None:
        """Freeze a space's statistics."""
        with self._writing("set statistics"):
            info = declaration.with_statistics(self._library(), space, statistics)
            self._file.write(info)
            self._info = info

    def write(self, records: Sequence[TrackRecord]) -> None:
        """Write whole tracks, all of them or none."""
        with self._writing("write"):
            admitted = admit_records(self._library(), records)
            if admitted:
                self._apply(Intent(write=admitted))

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """Replace payloads and the given vectors, all of them or none."""
        with self._writing("update"):
            admitted = admit_updates(self._library(), updates)
            if admitted:
                self._apply(Intent(update=admitted))

    def delete(self, track_ids: Sequence[str]) -> int:
        """Delete tracks and their segments; returns how many tracks there were."""
        with self._writing("delete"):
            self._library()
            ids = tuple(dict.fromkeys(track_ids))
            points = [track_point(track_id) for track_id in ids]
            known = self._shards[Level.TRACK].retrieve(points, [TRACK], vectors=False)
            if known:
                self._apply(Intent(delete=ids))
            return len(known)

    def retrieve(
        self,
        track_ids: Sequence[str],
        *,
        payload: tuple[str, ...] | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[TrackRecord, ...]:
        """The tracks among these that exist, in the given order."""
        with self._reading("retrieve") as info:
            return edge_reading.retrieve(
                self._shards, info, track_ids, payload=payload, vectors=vectors, segments=segments
            )

    def scroll(
        self,
        filter: Filter | None = None,
        *,
        limit: int,
        after: str | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[tuple[TrackRecord, ...], str | None]:
        """One page of tracks in order of their points' ids, and the id to continue after."""
        with self._reading("scroll") as info:
            return edge_reading.scroll(
                self._shards,
                info,
                self._filter(info, filter),
                limit=limit,
                after=after,
                vectors=vectors,
                segments=segments,
            )

    def count(self, filter: Filter | None = None, level: Level = Level.TRACK) -> int:
        """Exact number of points that pass the filter."""
        with self._reading("count") as info:
            return self._shards[level].count(self._filter(info, filter))

    def count_vectors(self, space: str) -> int:
        """Exact number of tracks that have a vector in this space."""
        with self._reading("count") as info:
            levels = space_of(info, space).levels
            held = engine.Filter(must=[engine.HasVectorCondition(space)])
            if Level.TRACK in levels:
                return self._shards[Level.TRACK].count(held)
            return len(self._shards[Level.SEGMENT].facet(TRACK, held))

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """Exact counts of a field's values over tracks, most frequent first, ties by value."""
        with self._reading("facets") as info:
            check_facet(info, field)
            found = self._shards[Level.TRACK].facet(field_key(field), self._filter(info, filter))
            found.sort(key=lambda hit: (-hit[1], hit[0]))
            return tuple(FacetCount(value, count) for value, count in found[:limit])

    def search(self, queries: Sequence[StoreQuery]) -> tuple[tuple[Match, ...], ...]:
        """Answer several queries, in the given order."""
        with self._reading("search") as info:
            for query in queries:
                if query.filter is not None:
                    check_filter(query.filter, info.fields)
            return edge_search.search(self._shards, info, queries)

    def optimize(self) -> None:
        """Build indexes for what was written; the whole process waits, so see the module."""
        with self._writing("optimize"):
            self._library()
            for shard in self._shards.values():
                shard.raw.optimize()
                shard.raw.flush()

    def flush(self) -> None:
        """Make every acknowledged write survive a power loss too."""
        with self._writing("flush"):
            self._library()
            for shard in self._shards.values():
                shard.raw.flush()

    def let_in(self, between: Callable[[], None]) -> None:
        """Call this between the engine's steps of every write; it may ask this store things."""
        for shard in self._shards.values():
            shard.between = between

    def close(self) -> None:
        """Flush and close the files; idempotent."""
        with self._mutex:
            self._closed = True
            try:
                for shard in self._shards.values():
                    shard.close()
            finally:
                on_close, self._on_close = self._on_close, None
                if on_close is not None:
                    on_close()

    def _open(self) -> None:
        info = self._file.read()
        pending = self._journal.pending()
        if info is None:
            self._clear(created=pending is not None)
            return
        widening = pending is not None and pending.declare is not None
        for shard in self._shards.values():
            # In the middle of a declaration, only the shard knows which vectors it has.
            shard.load(None if widening else info)
        self._info = info
        if pending is not None:
            hint = "cannot finish a write that was cut short; free the cause, or give it up by "
            with engine_errors(f"{hint}moving {self._journal.path} away"):
                self._finish(pending)

    def _clear(self, *, created: bool) -> None:
        """Remove the shards of a library whose creation was cut short."""
        if not created and any(shard.exists() for shard in self._shards.values()):
            raise StoreError(
                f"{self.path} has data but no library.json; restore it from a backup, or "
                "remove the folder and index again",
                reason="STORE_CORRUPT",
            )
        for shard in self._shards.values():
            shard.remove()
        self._journal.end()

    def _create(self, info: LibraryInfo) -> None:
        self._journal.begin(Intent(declare=info))
        for shard in self._shards.values():
            shard.remove()
            shard.create(info)
            shard.widen((), info.fields.values())
        self._file.write(info)
        self._journal.end()
        self._info = info

    def _apply(self, intent: Intent) -> None:
        """Do what is intended, wholly: now, or when the library is next written to or opened."""
        self._journal.begin(intent)
        self._unfinished = True
        self._finish(intent)

    def _finish(self, intent: Intent) -> None:
        if intent.declare is not None:
            self._widen(intent.declare)
        info = self._library()
        if intent.write:
            write_records(self._shards, info, intent.write)
        if intent.update:
            update_tracks(self._shards, info, intent.update)
        if intent.delete:
            delete_tracks(self._shards, intent.delete)
        self._journal.end()
        self._unfinished = False

    def _widen(self, info: LibraryInfo) -> None:
        held = self._library()
        changed = declaration.replaced(held, info)
        spaces = [*changed, *(s for s in info.spaces.values() if s.name not in held.spaces)]
        fields = [f for f in info.fields.values() if f.name not in held.fields]
        for shard in self._shards.values():
            shard.narrow([space.name for space in changed])
            shard.widen(spaces, fields)
        self._file.write(info)
        self._info = info
        for shard in self._shards.values():
            # Only opening tells the engine how to index the new vectors.
            shard.close()
            shard.load(info)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the library is closed")

    def _library(self) -> LibraryInfo:
        if self._info is None:
            raise PreconditionError(
                "there is no library here yet; index some music first", reason="LIBRARY_MISSING"
            )
        return self._info

    @staticmethod
    def _filter(info: LibraryInfo, filter: Filter | None) -> engine.Filter | None:
        if filter is None:
            return None
        check_filter(filter, info.fields)
        return as_filter(translate(filter, info.fields, _DIALECT))

    @contextmanager
    def _reading(self, doing: str) -> Iterator[LibraryInfo]:
        with self._mutex, engine_errors(doing):
            self._check_open()
            yield self._library()

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        with self._mutex, engine_errors(doing):
            self._check_open()
            if self._unfinished:
                pending = self._journal.pending()
                if pending is not None:
                    self._finish(pending)
                self._unfinished = False
            yield
