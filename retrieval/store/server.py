"""The store on a Qdrant server, single node or cluster, over gRPC.

Writes wait until they are applied. A server keeps no two collections in step: a track's segments
are written before it and deleted before it, so that a write that was cut short and is made again
leaves nothing behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

from qdrant_client import QdrantClient, models

from retrieval.core.filters import Filter, check_filter
from retrieval.core.payload import Field
from retrieval.core.queries import FacetCount
from retrieval.core.spaces import EmbeddingSpace, Level, Statistics
from retrieval.core.tracks import LibraryInfo, TrackRecord, TrackUpdate
from retrieval.settings import Settings
from retrieval.store import server_schema as schema
from retrieval.store.admission import admit_records, admit_updates, check_facet
from retrieval.store.declaration import merge, replaced, with_statistics, without
from retrieval.store.filters import translate
from retrieval.store.points import (
    TRACK,
    field_key,
    selector,
    track_point,
)
from retrieval.store.protocol import Match, Store, StoreQuery
from retrieval.store.ranking import space_of
from retrieval.store.server_calls import ServerCalls, connect
from retrieval.store.server_library import ServerLibrary
from retrieval.store.server_reading import assemble, fetch
from retrieval.store.server_search import search
from retrieval.store.server_writing import delete_tracks, update_tracks, write_records

_DIALECT = schema.ServerDialect()
_FRESH = 2.0
"""Seconds for which ``info`` is believed: other processes may add spaces and statistics."""
OTHERS_KNOW = _FRESH + 1.0
"""Seconds after which no process asks by an earlier description any more."""
_FACETS = 1_000


class ServerStore(Store):
    """A library in two collections of a Qdrant server. Thread-safe.

    Args:
        calls: The server.
        library: Prefix of the collections' names.
    """

    def __init__(self, calls: ServerCalls, library: str) -> None:
        self._calls = calls
        self._client = calls.client
        self._names = {level: schema.alias(library, level) for level in Level}
        self._library = ServerLibrary(calls, library)
        self._declaring = threading.Lock()
        self._known: tuple[float, LibraryInfo] | None = None

    @classmethod
    def connect(cls, settings: Settings) -> ServerStore:
        """The store of the server and library that the settings name.

        Raises:
            InvalidInputError: INVALID_SETTING if the URL is not one.
            StoreError: STORE_UNAVAILABLE if the server cannot be reached or is too old.
        """
        calls = connect(settings)
        try:
            calls.check_version()
        except BaseException:
            calls.close()
            raise
        return cls(calls, settings.library)

    @classmethod
    def in_memory(cls, library: str = "music") -> ServerStore:
        """A store on qdrant-client's own in-memory engine: for tests, exact but slow."""
        client = QdrantClient(":memory:")
        return cls(ServerCalls(client, ":memory:", 0.0), library)

    def info(self) -> LibraryInfo:
        """See ``Store.info``; read again after two seconds, as others may change it."""
        known = self._known
        if known is None or time.monotonic() - known[0] > _FRESH or self._calls.closed:
            known = self._known = (time.monotonic(), self._library.read())
        return known[1]

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """See ``Store.declare``. Two processes must not declare at the same time."""
        with self._declaring:
            held = self._library.find()
            merged = merge(held, spaces, fields, replacing)
            changed = [] if held is None else [space.name for space in replaced(held, merged)]
            if held is not None and changed:
                held = without(held, changed)
                self._library.describe(held)
                self._known = (time.monotonic(), held)
                # Whoever asks by the old description still finds the old vectors.
                time.sleep(0.0 if self._calls.in_memory else OTHERS_KNOW)
            if merged != held:
                self._library.build(held, merged)
            self._known = (time.monotonic(), merged)
            return merged

    def set_statistics(self, space: str, statistics: Statistics) -> None:
        """See ``Store.set_statistics``."""
        with self._declaring:
            info = with_statistics(self._library.read(), space, statistics)
            self._library.describe(info)
            self._known = (time.monotonic(), info)

    def write(self, records: Sequence[TrackRecord]) -> None:
        """See ``Store.write``."""
        info = self.info()
        write_records(self._calls, self._names, info, admit_records(info, records))

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """See ``Store.update``."""
        info = self.info()
        admitted = admit_updates(info, updates)
        points = [track_point(update.id) for update in admitted]
        known = fetch(self._calls, self._names, points, payload=[TRACK])
        present = [u for u, point in zip(admitted, points, strict=True) if point in known]
        update_tracks(self._calls, self._names, info, present)

    def delete(self, track_ids: Sequence[str]) -> int:
        """See ``Store.delete``."""
        self.info()
        unique = list(dict.fromkeys(track_ids))
        points = [track_point(track_id) for track_id in unique]
        known = fetch(self._calls, self._names, points, payload=[TRACK])
        # Also of those that are gone: a deletion that was cut short may have left segments.
        delete_tracks(self._calls, self._names, unique)
        return len(known)

    def retrieve(
        self,
        track_ids: Sequence[str],
        *,
        payload: tuple[str, ...] | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[TrackRecord, ...]:
        """See ``Store.retrieve``."""
        info = self.info()
        points = [track_point(track_id) for track_id in track_ids]
        found = fetch(self._calls, self._names, points, payload=selector(payload), vectors=vectors)
        ordered = [found[point] for point in points if point in found]
        return self._tracks(info, ordered, vectors, segments)

    def scroll(
        self,
        filter: Filter | None = None,
        *,
        limit: int,
        after: str | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[tuple[TrackRecord, ...], str | None]:
        """See ``Store.scroll``: in order of the points' ids."""
        info = self.info()
        start = None if after is None else track_point(after)
        # One more tells whether there is another page; the server starts with ``after`` itself.
        found, _ = self._calls.ask(
            self._client.scroll,
            self._names[Level.TRACK],
            scroll_filter=self._filter(info, filter),
            limit=limit + 2,
            offset=start,
            with_payload=selector(None),
            with_vectors=vectors,
        )
        page = [record for record in found if str(record.id) != start]
        records = self._tracks(info, page[:limit], vectors, segments)
        return records, records[-1].id if len(page) > limit else None

    def count(self, filter: Filter | None = None, level: Level = Level.TRACK) -> int:
        """See ``Store.count``."""
        return self._count(self._filter(self.info(), filter), level)

    def count_vectors(self, space: str) -> int:
        """See ``Store.count_vectors``."""
        held = models.Filter(must=[models.HasVectorCondition(has_vector=space)])
        if Level.TRACK in space_of(self.info(), space).levels:
            return self._count(held, Level.TRACK)
        some = max(1, self._count(None, Level.TRACK))
        return len(self._facet(TRACK, held, Level.SEGMENT, some))

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """See ``Store.facets``."""
        info = self.info()
        check_facet(info, field)
        passing = self._filter(info, filter)
        asked = max(_FACETS, 2 * limit)
        while True:
            found = self._facet(field_key(field), passing, Level.TRACK, asked)
            found.sort(key=lambda hit: (-hit.count, hit.value))
            # Where counts tie at the end of its answer, the server may have kept any of them.
            if len(found) < asked or found[limit - 1].count > found[-1].count:
                return tuple(found[:limit])
            asked *= 8

    def search(self, queries: Sequence[StoreQuery]) -> tuple[tuple[Match, ...], ...]:
        """See ``Store.search``; one round trip per level."""
        info = self.info()
        for query in queries:
            if query.filter is not None:
                check_filter(query.filter, info.fields)
        return search(self._calls, self._names, info, queries)

    def optimize(self) -> None:
        """Nothing to do: a server builds indexes in the background, by itself."""
        self.info()

    def flush(self) -> None:
        """Nothing to do: a server writes its log to disk by itself, within five seconds."""
        self.info()

    def close(self) -> None:
        """Close the connections; idempotent."""
        self._known = None
        self._calls.close()

    def _filter(self, info: LibraryInfo, filter: Filter | None) -> models.Filter | None:
        if filter is None:
            return None
        check_filter(filter, info.fields)
        return schema.as_filter(translate(filter, info.fields, _DIALECT))

    def _count(self, filter: models.Filter | None, level: Level) -> int:
        name = self._names[level]
        answer = self._calls.ask(self._client.count, name, count_filter=filter, exact=True)
        return answer.count

    def _facet(
        self, key: str, filter: models.Filter | None, level: Level, limit: int
    ) -> list[FacetCount]:
        answer = self._calls.ask(
            self._client.facet,
            self._names[level],
            key=key,
            facet_filter=filter,
            limit=limit,
            exact=True,
        )
        return [FacetCount(hit.value, hit.count) for hit in answer.hits]

    def _tracks(
        self, info: LibraryInfo, found: Sequence[models.Record], vectors: bool, segments: bool
    ) -> tuple[TrackRecord, ...]:
        return assemble(self._calls, self._names, info, found, vectors=vectors, segments=segments)
