"""A small library with every kind of space and field, and records to fill it with."""

from __future__ import annotations

import numpy as np

from retrieval.core.payload import Field, FieldType, kept_float
from retrieval.core.spaces import Anchor, Distance, EmbeddingSpace, Level, SparseVector
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord

BOTH = frozenset(Level)
COSINE = EmbeddingSpace("sound", 8, Distance.COSINE, "r1", levels=BOTH, float16=False)
HALF = EmbeddingSpace("half", 16, Distance.COSINE, "r1")
DOT = EmbeddingSpace("dot", 6, Distance.DOT, "r1", float16=False)
WEIGHTED = EmbeddingSpace(
    "felt", 4, Distance.WEIGHTED_EUCLIDEAN, "r1", levels=BOTH, float16=False,
    anchor=Anchor((0.0, -3.0, 50.0, 50.0), (5.0, 4.0, 20.0, 25.0)),
)  # fmt: skip
SPARSE = EmbeddingSpace("lexical", 0, Distance.DOT, "r1", sparse=True)
MOMENTS = EmbeddingSpace(
    "moments", 5, Distance.COSINE, "r1", levels=frozenset({Level.SEGMENT}), float16=False
)
SPACES = (COSINE, HALF, DOT, WEIGHTED, SPARSE, MOMENTS)
FIELDS = (
    Field("live", FieldType.BOOLEAN),
    Field("mood", FieldType.KEYWORD),
    Field("recorded", FieldType.DATETIME),
)
TRACKS = 90
"""In the library that tests only ask."""

GENRES = ("Rock", "rock", "Hard Rock", "Jazz", "Café Music", "夜の音楽")


def sparse(*pairs):
    return SparseVector(
        np.array([i for i, _ in pairs], np.uint32), np.array([v for _, v in pairs], np.float32)
    )


def dense(rng, dim):
    return rng.normal(size=dim).astype(np.float32)


def felt(rng):
    return (rng.normal(size=4) * [5, 4, 20, 25] + [0, -3, 50, 50]).astype(np.float32)


def record(number, *, segments=None, seed=0):
    """A track whose every part follows from its number and the seed."""
    rng = np.random.default_rng([number, seed])
    payload = {"title": f"Song number {number}", "duration": kept_float(rng.uniform(60, 400))}
    if number % 5:
        payload["year"] = int(1960 + number % 60)
    if number % 3:
        picked = rng.choice(len(GENRES), size=rng.integers(1, 4), replace=False)
        payload["genre"] = tuple(GENRES[i] for i in picked)
    if number % 4:
        payload["live"] = bool(rng.integers(2))
    payload["mood"] = ("calm", "tense", "bright")[number % 3]
    payload["recorded"] = f"20{number % 25:02d}-06-01T12:00:00+0{number % 9}:00"
    indices = np.unique(rng.integers(0, 30, size=6)).astype(np.uint32)
    vectors = {
        "sound": dense(rng, 8),
        "half": dense(rng, 16),
        "dot": dense(rng, 6),
        "felt": felt(rng),
        "lexical": SparseVector(indices, rng.uniform(0.2, 2, len(indices)).astype(np.float32)),
    }
    if number % 10 == 7:
        del vectors["dot"]
    count = int(rng.integers(0, 6)) if segments is None else segments
    parts = tuple(
        SegmentRecord(
            Span(5.0 * k, 5.0 * k + 10.0),
            {"sound": dense(rng, 8), "felt": felt(rng), "moments": dense(rng, 5)},
        )
        for k in range(count)
    )
    return TrackRecord(f"track-{number}", payload, vectors, parts)
