"""Hypothesis strategies for domain values, as callers may build them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from retrieval.core import filters, queries
from retrieval.core.cue import Cue
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import (
    Anchor,
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    SparseVector,
    Statistics,
)
from retrieval.core.tracks import SegmentRecord, Span, Track, TrackRecord, TrackUpdate

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), numbers)
payload_values = st.one_of(scalars, st.lists(scalars, max_size=4).map(tuple))
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
payloads = st.dictionaries(names, payload_values, max_size=5)
track_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(st.floats(0, 1e5))
    return Span(start, start + draw(st.floats(0.01, 1e4)))


dense = st.lists(singles, min_size=1, max_size=12).map(lambda v: np.array(v, np.float32))


@st.composite
def sparse(draw: st.DrawFn) -> SparseVector:
    indices = sorted(draw(st.sets(st.integers(0, 2**32 - 1), max_size=8)))
    values = draw(st.lists(singles, min_size=len(indices), max_size=len(indices)))
    return SparseVector(np.array(indices, np.uint32), np.array(values, np.float32))


vectors = st.dictionaries(names, st.one_of(dense, sparse()), max_size=3)
segments = st.builds(SegmentRecord, spans(), vectors)
tracks = st.builds(Track, track_ids, payloads)
records = st.builds(
    TrackRecord, track_ids, payloads, vectors, st.lists(segments, max_size=3).map(tuple)
)
updates = st.builds(TrackUpdate, track_ids, payloads, vectors)

choices = st.lists(scalars, max_size=4).map(tuple)
bounds = st.one_of(st.integers(-(2**63), 2**63 - 1), numbers, texts)
ranges = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("gt", "gte", "lt", "lte"), bounds)
).filter(bool)
conditions = st.one_of(
    st.builds(filters.Equals, names, scalars),
    st.builds(filters.AnyOf, names, choices),
    st.builds(filters.NoneOf, names, choices),
    st.builds(lambda field, kw: filters.Range(field, **kw), names, ranges),
    st.builds(filters.TextMatch, names, texts),
    st.builds(filters.Exists, names),
    st.builds(filters.TrackIds, st.lists(track_ids, max_size=3).map(tuple)),
)


def _nested(depth: int) -> st.SearchStrategy[filters.Filter]:
    if depth == 1:
        return conditions
    inner = _nested(depth - 1)
    parts = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        conditions,
        st.builds(filters.All, parts),
        st.builds(filters.Any, parts),
        st.builds(filters.Not, inner),
    )


any_filter = _nested(4)

space_names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
query_kinds = st.one_of(
    st.builds(queries.TextQuery, texts),
    st.builds(queries.AudioQuery, st.binary(max_size=50)),
    st.builds(queries.TrackQuery, track_ids),
    st.builds(queries.SegmentQuery, track_ids, spans()),
    st.builds(
        queries.VectorQuery,
        st.lists(numbers, max_size=12).map(tuple),
        st.one_of(st.none(), space_names),
        st.sampled_from(queries.Scaling),
        st.dictionaries(texts, numbers, max_size=3),
        st.lists(texts, max_size=3).map(tuple),
    ),
)
space_weights = st.dictionaries(space_names, numbers, max_size=3)
weighted = st.builds(
    queries.WeightedQuery,
    query_kinds,
    numbers,
    st.lists(space_names, max_size=3).map(tuple),
    space_weights,
)
_common = {
    "filter": st.one_of(st.none(), any_filter),
    "limit": st.integers(1, 1000),
    "offset": st.integers(0, 2**31 - 1),
    "segments": st.integers(0, 2**31 - 1),
    "fusion": st.builds(
        queries.Fusion, st.sampled_from(queries.FusionMethod), st.integers(-(2**31), 2**31 - 1)
    ),
    "payload_fields": st.one_of(st.none(), st.lists(names, unique=True, max_size=3).map(tuple)),
    "min_fit": st.one_of(st.none(), numbers),
}
searches = st.builds(queries.SearchRequest, st.lists(weighted, max_size=4).map(tuple), **_common)
recommends = st.builds(
    queries.RecommendRequest,
    st.lists(track_ids, max_size=3).map(tuple),
    st.lists(track_ids, max_size=3).map(tuple),
    st.lists(space_names, max_size=2).map(tuple),
    space_weights=space_weights,
    **_common,
)

segment_hits = st.builds(queries.SegmentHit, spans(), numbers, texts)
evidence = st.builds(
    queries.Evidence,
    st.integers(0, 15),
    texts,
    st.integers(1, 10_000),
    numbers,
    st.one_of(st.none(), numbers),
    st.one_of(st.none(), numbers),
)
cues = st.builds(
    Cue,
    start=numbers,
    end=numbers,
    anchor=numbers,
    meets=numbers,
    offsets=st.lists(numbers, max_size=3).map(tuple),
    accents=numbers,
    motion=numbers,
    borders=numbers,
    score=numbers,
    plan=st.lists(spans(), max_size=3).map(tuple),
    stretch=numbers,
)
hits = st.builds(
    queries.Hit,
    tracks,
    numbers,
    st.lists(segment_hits, max_size=3).map(tuple),
    st.lists(evidence, max_size=3).map(tuple),
    st.one_of(st.none(), numbers),
    st.none() | cues,
)
space_fits = st.builds(queries.SpaceFit, st.integers(0, 15), texts, st.one_of(st.none(), numbers))
responses = st.builds(
    queries.SearchResponse,
    st.lists(hits, max_size=4).map(tuple),
    numbers,
    st.just(False),
    st.lists(space_fits, max_size=3).map(tuple),
    left_out=st.lists(st.builds(queries.LeftOut, names, names, texts), max_size=2).map(tuple),
)

fields = st.builds(Field, names, st.sampled_from(FieldType), texts, st.booleans())
statistics = st.integers(1, 4).flatmap(
    lambda n: st.builds(
        Statistics,
        st.lists(numbers, min_size=n, max_size=n).map(tuple),
        st.lists(numbers, min_size=n, max_size=n).map(tuple),
        st.integers(0, 2**40),
    )
)


@st.composite
def spaces(draw: st.DrawFn) -> EmbeddingSpace:
    distance = draw(st.sampled_from(Distance))
    dim = draw(st.integers(0, 5)) if distance is Distance.DOT else draw(st.integers(1, 5))
    anchor = None
    if distance is Distance.WEIGHTED_EUCLIDEAN:
        scale = draw(st.lists(st.floats(0.1, 10), min_size=dim, max_size=dim))
        anchor = Anchor((0.5,) * dim, tuple(scale))
    return EmbeddingSpace(
        name=draw(space_names),
        dim=dim,
        distance=distance,
        revision=draw(texts.filter(bool)),
        query_modalities=frozenset(draw(st.sets(st.sampled_from(Modality)))),
        levels=frozenset(draw(st.sets(st.sampled_from(Level), min_size=1))),
        sparse=dim == 0,
        anchor=anchor,
        dims=tuple(f"d{i}" for i in range(dim)) if draw(st.booleans()) else (),
        float16=draw(st.booleans()),
    )
