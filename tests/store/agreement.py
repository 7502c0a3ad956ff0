"""When two answers, two records or two libraries count as the same."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.spaces import Distance, Level, Probe
from retrieval.store.protocol import StoreQuery, records
from tests.store.library import (
    SPACES,
    WEIGHTED,
    dense,
    felt,
    sparse,
)


def probe(space, rng, weights=None):
    if space.sparse:
        return Probe(space.name, sparse((1, 1.0), (4, 2.0), (9, 0.5), (999, 1.0)))
    return Probe(space.name, felt(rng) if space is WEIGHTED else dense(rng, space.dim), weights)


def same_ranking(got, want, tolerance=2e-5):
    assert [(m.track_id, m.span) for m in got] == [(m.track_id, m.span) for m in want]
    assert [m.score for m in got] == pytest.approx([m.score for m in want], abs=tolerance)
    for mine, theirs in zip(got, want, strict=True):
        assert mine.payload == theirs.payload
        if theirs.distance is None:
            assert mine.distance is None
        else:
            assert mine.distance == pytest.approx(theirs.distance, abs=1e-4)


def same_records(got, want):
    """Equal, up to the length of cosine vectors, which stores need not keep, and float32."""
    assert [r.id for r in got] == [r.id for r in want]
    for mine, theirs in zip(got, want, strict=True):
        assert mine.payload == theirs.payload
        assert {k: type(v) for k, v in mine.payload.items() if isinstance(v, tuple)} == {
            k: type(v) for k, v in theirs.payload.items() if isinstance(v, tuple)
        }
        same_vectors(mine.vectors, theirs.vectors)
        assert [s.span for s in mine.segments] == [s.span for s in theirs.segments]
        for a, b in zip(mine.segments, theirs.segments, strict=True):
            same_vectors(a.vectors, b.vectors)


def same_vectors(got, want):
    assert set(got) == set(want)
    for space in SPACES:
        if space.name not in want:
            continue
        a, b = got[space.name], want[space.name]
        if space.sparse:
            assert a.indices.tolist() == b.indices.tolist()
            assert a.values == pytest.approx(b.values)
        elif space.distance is Distance.COSINE:
            assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(1.0, abs=1e-5)
        else:
            assert a == pytest.approx(b, rel=1e-5, abs=1e-4)


def same_libraries(store, oracle):
    got = sorted(records(store), key=lambda r: r.id)
    same_records(got, sorted(records(oracle), key=lambda r: r.id))
    assert store.count(level=Level.SEGMENT) == oracle.count(level=Level.SEGMENT)
    for field in ("genre", "mood", "year"):
        assert store.facets(field, limit=500) == oracle.facets(field, limit=500)
    for level in Level:
        query = StoreQuery(
            Probe("sound", np.ones(8, np.float32)), level, limit=500, payload=None, exact=True
        )
        same_ranking(store.search([query])[0], oracle.search([query])[0])
