"""Queries on a Qdrant server: probes in, exact rankings out; one round trip per level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qdrant_client import models

from retrieval.core.spaces import Level, SparseVector
from retrieval.core.tracks import LibraryInfo
from retrieval.store import server_schema as schema
from retrieval.store.filters import translate
from retrieval.store.points import TRACK, selector
from retrieval.store.protocol import Match, StoreQuery
from retrieval.store.ranking import Ask, Candidate, Ranking, space_of
from retrieval.store.server_calls import ServerCalls

_DIALECT = schema.ServerDialect()


def search(
    calls: ServerCalls,
    names: Mapping[Level, str],
    info: LibraryInfo,
    queries: Sequence[StoreQuery],
) -> tuple[tuple[Match, ...], ...]:
    """Answer the queries, in the given order.

    Args:
        calls: The server.
        names: The collection of each level.
        info: The library.
        queries: Filters already checked.
    """
    running = [_Running(query, info, scans=calls.in_memory) for query in queries]
    while True:
        asked = [(one, one.ranking.asks()) for one in running]
        if not any(asks for _, asks in asked):
            return tuple(one.ranking.matches() for one in running)
        for level, name in names.items():
            here = [(one, asks) for one, asks in asked if asks and one.level is level]
            requests = [one.request(ask) for one, asks in here for ask in asks]
            if not requests:
                continue
            answers = iter(calls.ask(calls.client.query_batch_points, name, requests=requests))
            for one, asks in here:
                one.ranking.feed(
                    [
                        [
                            one.ranking.candidate(p.score, p.payload, p.vector)
                            for p in next(answers).points
                        ]
                        for _ in asks
                    ]
                )


class _Running:
    """A query with what of it stays the same from one round to the next."""

    def __init__(self, query: StoreQuery, info: LibraryInfo, *, scans: bool) -> None:
        self.ranking = Ranking(query, space_of(info, query.probe.space))
        self.level = query.level
        self._space = query.probe.space
        self._wanted = query.payload
        vector = self.ranking.vector
        self._query: list[float] | models.SparseVector
        sparse = isinstance(vector, SparseVector)
        self._query = schema.sparse(vector) if isinstance(vector, SparseVector) else vector.tolist()
        self._filter = (
            None
            if query.filter is None
            else schema.as_filter(translate(query.filter, info.fields, _DIALECT))
        )
        # Counted over the points that are there; by default deleted ones still count.
        idf = models.IdfCorpusParams(corpus=models.Filter()) if sparse else None
        self._params: models.SearchParams | None
        if scans:  # the in-memory client knows none of the others, and warns about them
            self._params = models.SearchParams(idf=idf) if sparse else None
            return
        self._params = models.SearchParams(
            hnsw_ef=schema.TUNING.ef,
            exact=self.ranking.exact,
            # Without ACORN a selective filter leads a graph search into dead ends.
            acorn=models.AcornSearchParams(enable=query.filter is not None),
            idf=idf,
        )

    def request(self, ask: Ask) -> models.QueryRequest:
        """An ask in the client's classes."""
        passing = self._filter
        if ask.track is not None:
            of_track = _DIALECT.equals(TRACK, ask.track)
            passing = models.Filter(must=[of_track] if passing is None else [of_track, passing])
        return models.QueryRequest(
            query=self._query,
            using=self._space,
            filter=passing,
            params=self._params,
            limit=ask.limit,
            with_payload=selector(self._wanted),
            with_vector=[self._space] if self.ranking.needs_stored else False,
        )

    def candidate(self, point: models.ScoredPoint) -> Candidate:
        """A point of the engine's answer."""
        return self.ranking.candidate(point.score, point.payload, point.vector)
