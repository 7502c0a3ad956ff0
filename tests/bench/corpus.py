"""Twenty thousand tracks with 512-d vectors, as a library on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.filters import Equals, Filter
from retrieval.core.payload import Payload
from retrieval.core.queries import SearchRequest, VectorQuery, WeightedQuery
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Probe
from retrieval.core.tracks import TrackRecord
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.protocol import StoreQuery

DIM = 512
SPACE = EmbeddingSpace("bench", DIM, Distance.COSINE, "bench-1")
GENRES = tuple(f"genre {n}" for n in range(10))
K = 10

Vectors = NDArray[np.float32]


def vectors(count: int, seed: int = 0) -> Vectors:
    """Unit vectors in 200 clusters, as embeddings of music are, shape (count, 512)."""
    centres = np.random.default_rng(7).standard_normal((200, DIM))
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(len(centres), size=count)] + rng.standard_normal((count, DIM))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def record(number: int, vector: Vectors) -> TrackRecord:
    """A track with the payload that tags give."""
    payload: Payload = {
        "title": f"Track {number}",
        "artist": f"Artist {number % 500}",
        "genre": GENRES[number % len(GENRES)],
        "bpm": 60.0 + number % 120,
        "year": 1960 + number % 60,
        "duration": 180.0 + number % 100,
        "paths": (f"/music/{number % 500}/{number}.flac",),
    }
    return TrackRecord(track_id(number), payload, {SPACE.name: vector})


def track_id(number: int) -> str:
    """Like the ids that indexing makes: 32 hexadecimal digits."""
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def build(data: Path, rows: Vectors) -> Settings:
    """Write the library ``bench`` below ``data`` and build its indexes."""
    settings = Settings(data_dir=data, library="bench", qdrant_url=None)
    store = open_store(settings)
    try:
        store.declare([SPACE])
        for start in range(0, len(rows), 1_000):
            block = range(start, min(start + 1_000, len(rows)))
            store.write([record(number, rows[number]) for number in block])
        store.optimize()
    finally:
        store.close()
    return settings


def genre(number: int) -> Filter:
    """A filter that one track in ten passes."""
    return Equals("genre", GENRES[number % len(GENRES)])


def engine_query(vector: Vectors) -> StoreQuery:
    """The ten nearest tracks with all their payload."""
    return StoreQuery(Probe(SPACE.name, vector), Level.TRACK, limit=K, payload=None)


def request(vector: Vectors) -> SearchRequest:
    """The same, as a client asks."""
    query = VectorQuery(tuple(map(float, vector)), space=SPACE.name)
    return SearchRequest((WeightedQuery(query),), limit=K, segments=0)
