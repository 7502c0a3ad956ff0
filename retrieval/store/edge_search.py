"""Queries on Qdrant Edge: probes in, exact rankings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import qdrant_edge as engine

from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo
from retrieval.store.edge_filters import EdgeDialect, as_filter
from retrieval.store.edge_shard import Shard, engine_errors
from retrieval.store.edge_vectors import encode_query
from retrieval.store.filters import translate
from retrieval.store.points import TRACK, selector
from retrieval.store.protocol import Match, StoreQuery
from retrieval.store.ranking import Ask, Candidate, Ranking, space_of

_DIALECT = EdgeDialect()


def search(
    shards: Mapping[Level, Shard], info: LibraryInfo, queries: Sequence[StoreQuery]
) -> tuple[tuple[Match, ...], ...]:
    """Answer the queries, in the given order; usually in one engine call per level."""
    running = [_Running(query, info, shards[query.level].tuning.ef) for query in queries]
    while True:
        asked = [(one, one.ranking.asks()) for one in running]
        if not any(asks for _, asks in asked):
            return tuple(one.ranking.matches() for one in running)
        for level, shard in shards.items():
            _round(shard, [(o, asks) for o, asks in asked if asks and o.level is level])


class _Running:
    """A query with what of it stays the same from one round to the next."""

    def __init__(self, query: StoreQuery, info: LibraryInfo, ef: int) -> None:
        self.ranking = Ranking(query, space_of(info, query.probe.space))
        self.level = query.level
        self._space = query.probe.space
        self._wanted = query.payload
        self._sparse = self.ranking.space.sparse
        self._nearest = engine.Query.Nearest(encode_query(self.ranking.vector), using=self._space)
        self._filter = (
            None
            if query.filter is None
            else as_filter(translate(query.filter, info.fields, _DIALECT))
        )
        self._params = engine.SearchParams(
            hnsw_ef=ef,
            exact=self.ranking.exact,
            # Without ACORN a filtered graph search ends in dead ends: recall 0.61 where it has 1.
            acorn=engine.AcornSearchParams(enable=query.filter is not None),
            # Counted over the points that are there; by default deleted ones still count.
            idf=engine.IdfParams(engine.Filter()) if self._sparse else None,
        )

    def request(self, ask: Ask) -> engine.QueryRequest:
        """An ask in the engine's words."""
        passing = self._filter
        if ask.track is not None:
            of_track = engine.FieldCondition(TRACK, match=engine.MatchValue(ask.track))
            passing = engine.Filter(must=[of_track] if passing is None else [of_track, passing])
        return engine.QueryRequest(
            limit=ask.limit,
            query=self._nearest,
            with_payload=selector(self._wanted),
            with_vector=[self._space] if self.ranking.needs_stored else False,
            filter=passing,
            params=self._params,
        )

    def candidate(self, point: engine.ScoredPoint) -> Candidate:
        """A point of the engine's answer."""
        return self.ranking.candidate(point.score, point.payload, point.vector)


def _round(shard: Shard, asked: Sequence[tuple[_Running, Sequence[Ask]]]) -> None:
    if not asked:
        return
    requests = [one.request(ask) for one, asks in asked for ask in asks]
    with engine_errors("search"):
        answers = iter(shard.raw.query_batch(engine.QueryBatchRequest(requests)))
    for one, asks in asked:
        one.ranking.feed([[one.candidate(p) for p in next(answers)] for _ in asks])
