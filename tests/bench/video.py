"""Music for a picture: latency against the engine alone, and what watching a clip costs."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import av
import numpy as np
import qdrant_edge as engine

from retrieval.core.filters import Range
from retrieval.core.queries import Metric, VideoQuery
from retrieval.core.spaces import Level, Probe
from retrieval.store.edge_filters import EdgeDialect, as_filter
from retrieval.store.filters import translate
from retrieval.store.weighted import WeightedProbe, plan
from retrieval.video.clips import ClipDecoder
from retrieval.video.measuring import measure
from tests.bench import cuts
from tests.bench.measure import Table, interleaved, median, ms, quantile, times
from tests.video.shelf import ENCODER, Shelf, fill

SIDES = ("the engine alone", "a video query", "the same by cosine")
HITS = 5
SHORTEST, LONGEST = 300.0, 338.0
"""Durations of one track in ten."""


def run(
    *,
    tracks: int = 100_000,
    queries: int = 40,
    rounds: int = 3,
    seconds: int = 60,
    pairs: int = 300,
    clips: int = 20,
) -> list[Table]:
    """Queries under a filter that one in ten passes, a clip in 1080p, and music fitted to cuts."""
    with tempfile.TemporaryDirectory() as name:
        shelf = fill(Path(name), tracks)
        shelf.library.optimize()
        try:
            latency = _latency(shelf, queries, rounds)
        finally:
            shelf.library.close()
        return [
            latency,
            _watching(Path(name) / "clip.mp4", seconds),
            *cuts.run(pairs=pairs, clips=clips),
        ]


def _latency(shelf: Shelf, queries: int, rounds: int) -> Table:
    rng = np.random.default_rng(2)
    condition = Range("duration", gte=SHORTEST, lt=LONGEST)
    asked = [
        shelf.values[row] + rng.normal(size=10)
        for row in rng.integers(len(shelf.values), size=queries)
    ]
    std = shelf.values.std(axis=0)
    shard = shelf.store._shards[Level.TRACK].raw
    passing = as_filter(translate(condition, shelf.store.info().fields, EdgeDialect()))

    def alone(values: np.ndarray) -> None:
        weighted = plan(ENCODER.space, Probe("perceptual", values.astype(np.float32), 1 / std**2))
        assert isinstance(weighted, WeightedProbe)
        shard.query(
            engine.QueryRequest(
                limit=HITS,
                query=engine.Query.Nearest(weighted.vector.tolist(), using="perceptual"),
                filter=passing,
                with_payload=["track"],
                with_vector=["perceptual"],
                params=engine.SearchParams(exact=True),
            )
        )

    def ours(values: np.ndarray, metric: Metric) -> None:
        query = VideoQuery(tuple(values.tolist()), metric=metric)
        shelf.ask(query, filter=condition, limit=HITS, segments=0, payload_fields=())

    calls: Mapping[str, Callable[[np.ndarray], None]] = {
        SIDES[0]: alone,
        SIDES[1]: partial(ours, metric=Metric.EUCLIDEAN),
        SIDES[2]: partial(ours, metric=Metric.COSINE),
    }
    sides = {name: [partial(call, values) for values in asked] for name, call in calls.items()}
    measured = [interleaved(sides, block=10) for _ in range(rounds)]
    p50 = {name: median([quantile(r[name], 0.5) for r in measured]) for name in SIDES}
    return Table(
        f"Queries for a picture, {len(shelf.values)} tracks, top {HITS}, with a 10 % filter, "
        f"{rounds} rounds of {queries}",
        ("", "p50", "of the engine alone"),
        tuple((name, ms(p50[name]), times(p50[name] / p50[SIDES[0]])) for name in SIDES),
        ("Aim: a video query at most 2x the engine alone.",),
    )


def _watching(path: Path, seconds: int) -> Table:
    write_clip(path, seconds)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    here = time.process_time()
    with ClipDecoder() as decoder:
        found = measure(path, decoder)
    here = time.process_time() - here
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    decoding = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = 0 if found.series is None else len(found.series.cuts)
    rows = (
        ("decoding and scaling, in its child", f"{decoding:.1f} s"),
        ("cuts, motion and colour", f"{here:.1f} s"),
        ("together", f"{decoding + here:.1f} s"),
    )
    return Table(
        f"Watching a clip of {seconds} s, 1920 x 1080, H.264, 25 frames per second, {count} cuts",
        ("", "processor time"),
        rows,
        ("Aim: at most 20 s for 60 s.",),
    )


def write_clip(path: Path, seconds: int, *, width: int = 1920, height: int = 1080) -> None:
    """A clip of textured shots of three seconds, each panned slowly."""
    rng = np.random.default_rng(0)
    rate = 25
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        wide = np.zeros((0, 0, 3), np.uint8)
        for index in range(rate * seconds):
            step = index % (3 * rate)
            if step == 0:
                cells = rng.integers(0, 255, (height // 8 + 1, width // 8 + 40, 3), dtype=np.uint8)
                wide = np.kron(cells, np.ones((8, 8, 1), np.uint8))
            picture = np.ascontiguousarray(wide[:height, 2 * step : 2 * step + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
