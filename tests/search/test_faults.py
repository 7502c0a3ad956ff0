"""Every refusal of a request says in its metadata which field is at fault."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import Equals, Range, TrackIds
from retrieval.core.queries import (
    AudioQuery,
    Fusion,
    RecommendRequest,
    Scaling,
    SearchRequest,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.core.spaces import MAX_SPACES, Distance, EmbeddingSpace
from retrieval.core.tracks import Span
from retrieval.search import LocalLibrary
from tests.search.catalogue import SPACES, encoders, fill, track_id
from tests.signals import encode

SILENCE = encode(np.zeros(44_100, np.float32))
TEN = (0.0,) * 10


@pytest.mark.parametrize(
    ("query", "spaces", "field"),
    [
        (TextQuery(" "), (), "text"),
        (TextQuery("x" * 5000), (), "text"),
        (TextQuery("?!"), (), "text"),
        (TextQuery("no such word"), ("hue",), "text"),
        (TextQuery("red"), ("perceptual",), "spaces"),
        (AudioQuery(b""), (), "audio"),
        (AudioQuery(b"this is no sound at all"), (), "audio"),
        (AudioQuery(SILENCE), (), "audio"),
        (TrackQuery("a b"), (), "track"),
        (SegmentQuery("a b", Span(0, 1)), (), "segment.track"),
        (VectorQuery(()), (), "vector.values"),
        (VectorQuery((1.0,) * 3), (), "vector.values"),
        (VectorQuery((1.0,) * 3, "hue"), (), "vector.values"),
        (VectorQuery((float("nan"),) * 10), (), "vector.values"),
        (VectorQuery((0.0,) * 8), (), "vector.values"),
        (VectorQuery(TEN, weights={"loud": 1.0}), (), "vector.weights"),
        (VectorQuery(TEN, weights={"warmth": -1.0}), (), "vector.weights"),
        (VectorQuery(TEN, weights={"warmth": 1.0}, dims=("VA",)), (), "vector.weights"),
        (VectorQuery(TEN, weights={"0": 0.0}, dims=("0",)), (), "vector.weights"),
        (VectorQuery(TEN, dims=("loud",)), (), "vector.dims"),
        (VectorQuery((1.0,) * 8, scaling=Scaling.RAW), (), "vector.weights"),
    ],
)
def test_queries(library, query, spaces, field):
    bad = WeightedQuery(query, spaces=spaces)
    with pytest.raises(InvalidInputError) as caught:
        library.search(SearchRequest((WeightedQuery(TextQuery("red")), bad)))
    assert caught.value.metadata["field"] == f"queries[1].{field}"
    assert caught.value.message.startswith(f"queries[1].{field}: ")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"filter": Equals("mood", "x")}, "filter"),
        ({"filter": Equals("year", "x")}, "filter"),
        ({"filter": Range("artist", gte="a")}, "filter"),
        ({"filter": TrackIds(("a",) * 2000)}, "filter"),
        ({"limit": 0}, "limit"),
        ({"fusion": Fusion(k=0)}, "fusion.k"),
        ({"queries": ()}, "queries"),
        ({"queries": (WeightedQuery(TextQuery("red"), 0.0),)}, "queries[0].weight"),
    ],
)
def test_the_rest_of_a_search(library, more, field):
    request = {"queries": (WeightedQuery(TextQuery("red")),), **more}
    with pytest.raises(InvalidInputError) as caught:
        library.search(SearchRequest(**request))
    assert caught.value.metadata["field"] == field


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (RecommendRequest(()), "positive"),
        (RecommendRequest((track_id(1),), ("a",) * 65), "negative"),
        (RecommendRequest((track_id(1), "a b")), "positive[1]"),
        (RecommendRequest((track_id(1),), spaces=("lexical",)), "spaces"),
    ],
)
def test_recommendations(library, request_, field):
    with pytest.raises(InvalidInputError) as caught:
        library.recommend(request_)
    assert caught.value.metadata["field"] == field


def test_tracks(library):
    with pytest.raises(InvalidInputError) as caught:
        library.fetch(["a"] * 1001)
    assert caught.value.metadata["field"] == "tracks"


def test_a_library_has_so_many_spaces_and_no_more(own_store):
    library = LocalLibrary(fill(own_store, []), encoders())

    def some(count):
        return [EmbeddingSpace(f"s{n}", 2, Distance.DOT, "1") for n in range(count)]

    with pytest.raises(InvalidInputError, match="at most 64") as caught:
        library.declare(some(MAX_SPACES - len(SPACES) + 1))
    assert caught.value.metadata["field"] == "spaces"
    assert set(library.info().spaces) == {space.name for space in SPACES}
    library.declare(some(2))
    assert len(library.info().spaces) == len(SPACES) + 2
