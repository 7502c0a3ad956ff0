"""Our Edge store against qdrant-client's local mode and an exact NumPy scan."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from retrieval.store import open_store
from retrieval.store.protocol import Store, StoreQuery
from tests.bench import corpus
from tests.bench.measure import Table, interleaved, median, ms, quantile, times

SIDES = ("Segue's Edge store", "qdrant-client local", "exact NumPy scan")
Answer = list[int]


def run(*, tracks: int = 20_000, queries: int = 40, rounds: int = 3) -> list[Table]:
    """Top 10 of 512-d vectors, with and without a filter that one in ten passes."""
    rows = corpus.vectors(tracks)
    probes = corpus.vectors(queries, seed=1)
    with tempfile.TemporaryDirectory() as name:
        store = open_store(corpus.build(Path(name), rows))
        local = _local(rows)
        try:
            return [
                _compare(store, local, rows, probes, rounds, filtered=filtered)
                for filtered in (False, True)
            ]
        finally:
            store.close()
            local.close()


def _compare(
    store: Store,
    local: QdrantClient,
    rows: corpus.Vectors,
    probes: corpus.Vectors,
    rounds: int,
    *,
    filtered: bool,
) -> Table:
    numbers = {corpus.track_id(number): number for number in range(len(rows))}

    def edge(turn: int) -> Answer:
        (matches,) = store.search([_query(probes[turn], turn if filtered else None)])
        return [numbers[match.track_id] for match in matches]

    def in_local(turn: int) -> Answer:
        value = models.MatchValue(value=turn % len(corpus.GENRES))
        condition = models.Filter(must=[models.FieldCondition(key="genre", match=value)])
        points = local.query_points(
            "bench",
            probes[turn].tolist(),
            query_filter=condition if filtered else None,
            limit=corpus.K,
        ).points
        return [int(point.id) for point in points]

    groups = np.arange(len(rows)) % len(corpus.GENRES)

    def numpy(turn: int) -> Answer:
        scores = rows @ probes[turn]
        if filtered:
            scores[groups != turn % len(corpus.GENRES)] = -np.inf
        best = np.argpartition(-scores, corpus.K)[: corpus.K]
        return [int(n) for n in best[np.argsort(-scores[best])]]

    asked: dict[str, Callable[[int], Answer]] = dict(
        zip(SIDES, (edge, in_local, numpy), strict=True)
    )
    turns = range(len(probes))
    truth = [set(numpy(turn)) for turn in turns]
    recall = {
        name: float(np.mean([len(truth[t] & set(ask(t))) / corpus.K for t in turns]))
        for name, ask in asked.items()
    }
    sides: dict[str, Sequence[Callable[[], Any]]] = {
        name: [partial(ask, turn) for turn in turns] for name, ask in asked.items()
    }
    measured = [interleaved(sides, block=10) for _ in range(rounds)]
    p50 = {name: median([quantile(r[name], 0.5) for r in measured]) for name in SIDES}
    table = tuple(
        (name, ms(p50[name]), times(p50[name] / p50[SIDES[0]]), f"{recall[name]:.3f}")
        for name in SIDES
    )
    what = "with a 10 % filter" if filtered else "unfiltered"
    aim = () if filtered else ("Aim: Edge at least 20x as fast as local mode.",)
    return Table(
        f"Engines, one thread each, {len(rows)} x {corpus.DIM}, top {corpus.K}, {what}, "
        f"{rounds} rounds of {len(probes)}",
        ("", "p50", "Edge is faster by", "recall@10"),
        table,
        aim,
    )


def _query(probe: corpus.Vectors, genre: int | None) -> StoreQuery:
    kept = None if genre is None else corpus.genre(genre)
    # Ids alone, as the other sides return.
    return replace(corpus.engine_query(probe), filter=kept, payload=())


def _local(rows: corpus.Vectors) -> QdrantClient:
    with warnings.catch_warnings():
        # It says that it is not meant for this many points.
        warnings.simplefilter("ignore")
        client = QdrantClient(":memory:")
        params = models.VectorParams(size=corpus.DIM, distance=models.Distance.COSINE)
        client.create_collection("bench", vectors_config=params)
        for start in range(0, len(rows), 1_000):
            block = range(start, min(start + 1_000, len(rows)))
            client.upsert(
                "bench",
                models.Batch(
                    ids=list(block),
                    vectors=rows[block.start : block.stop].tolist(),
                    payloads=[{"genre": number % len(corpus.GENRES)} for number in block],
                ),
            )
    return client
