"""What single spaces count in the fusion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.queries import (
    Fusion,
    FusionMethod,
    RecommendRequest,
    SearchRequest,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.core.spaces import Probe
from retrieval.core.tracks import Span
from retrieval.search import LocalLibrary
from retrieval.search.fuse import Lane, Ranking, fuse
from retrieval.store.protocol import Match
from tests.search.catalogue import HueEncoder, encoders, track_id

WEIGHTS = {"hue": 3.0, "perceptual": 0.25}
METHODS = [Fusion(FusionMethod.RRF, k=10), Fusion(FusionMethod.WEIGHTED_SCORE)]


def parts_of(hits, fusion):
    """What each ranking gave each hit for a share of 1, by its definition."""
    scores = {}
    for hit in hits:
        for e in hit.evidence:
            scores.setdefault((e.query, e.space), []).append(e.score)
    parts = {}
    for hit in hits:
        for e in hit.evidence:
            low, high = min(scores[e.query, e.space]), max(scores[e.query, e.space])
            scaled = (e.score - low) / (high - low)
            part = 1 / (fusion.k + e.rank) if fusion.method is FusionMethod.RRF else scaled
            parts[hit.track.id, e.query, e.space] = part
    return parts


@pytest.mark.parametrize("fusion", METHODS, ids=["rrf", "score"])
def test_a_share_is_the_weight_of_the_query_times_that_of_the_space(library, fusion):
    queries = (
        WeightedQuery(TextQuery("red piece"), 2.0, space_weights={"lexical": 5.0}),
        WeightedQuery(TrackQuery(track_id(1)), 0.5, space_weights=WEIGHTS),
    )
    shares = {
        (0, "hue"): 2.0,
        (0, "lexical"): 10.0,
        (1, "hue"): 1.5,
        (1, "perceptual"): 0.125,
    }
    hits = library.search(SearchRequest(queries, limit=40, fusion=fusion)).hits
    parts = parts_of(hits, fusion)
    for hit in hits:
        expected = sum(
            shares[q, space] * p for (key, q, space), p in parts.items() if key == hit.track.id
        )
        assert hit.score == pytest.approx(expected, abs=1e-9)
    assert {e.space for hit in hits for e in hit.evidence} == {"hue", "lexical", "perceptual"}


@pytest.mark.parametrize("fusion", METHODS, ids=["rrf", "score"])
def test_recommendations_too(library, fusion):
    request = RecommendRequest(
        (track_id(1),), (track_id(2),), limit=40, fusion=fusion, space_weights=WEIGHTS
    )
    hits = library.recommend(request).hits
    parts = parts_of(hits, fusion)
    for hit in hits:
        expected = sum(WEIGHTS[s] * p for (key, _, s), p in parts.items() if key == hit.track.id)
        assert hit.score == pytest.approx(expected, abs=1e-9)


def ids(response):
    return [hit.track.id for hit in response.hits]


def test_the_heavier_space_has_its_way(library):
    def ranked(weights, *spaces):
        query = WeightedQuery(TrackQuery(track_id(1)), spaces=spaces, space_weights=weights)
        return ids(library.search(SearchRequest((query,), limit=40)))

    alone = {name: ranked({}, name) for name in ("hue", "perceptual")}
    assert alone["hue"] != alone["perceptual"]
    for name, order in alone.items():
        assert ranked({name: 1e6}) == order
    assert ranked({"hue": 1.0, "perceptual": 1.0}) == ranked({})
    assert ranked({"hue": 2.0, "perceptual": 2.0}, "hue", "perceptual") == ranked({})


def test_moments_follow_the_heavier_space(library):
    def spans(weights, *spaces):
        query = SegmentQuery(track_id(5), Span(0.0, 5.0))
        one = WeightedQuery(query, spaces=spaces, space_weights=weights)
        hits = library.search(SearchRequest((one,), limit=40, segments=4)).hits
        return {hit.track.id: [s.span for s in hit.segments] for hit in hits}

    for name in ("hue", "perceptual"):
        assert spans({name: 1e6}) == spans({}, name)
    assert spans({"hue": 1e6}) != spans({"perceptual": 1e6})


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 2e6])
def test_unusable_weights(library, weight):
    query = WeightedQuery(TextQuery("red"), space_weights={"hue": weight})
    with pytest.raises(InvalidInputError) as caught:
        library.search(SearchRequest((WeightedQuery(TextQuery("red")), query)))
    assert caught.value.metadata["field"] == "queries[1].space_weights['hue']"
    with pytest.raises(InvalidInputError) as caught:
        library.recommend(RecommendRequest((track_id(1),), space_weights={"hue": weight}))
    assert caught.value.metadata["field"] == "space_weights['hue']"


@pytest.mark.parametrize(
    ("weighted", "error", "message"),
    [
        (WeightedQuery(query, 1.0, spaces, {name: 2.0}), error, message)
        for query, spaces, name, error, message in (
            (TextQuery("red"), (), "clap", PreconditionError, "no space 'clap'"),
            (TextQuery("red"), ("hue",), "clap", PreconditionError, "no space 'clap'"),
            (TextQuery("red"), (), "perceptual", InvalidInputError, "takes no text queries"),
            (TextQuery("red"), ("hue",), "lexical", InvalidInputError, "but is not asked"),
            (VectorQuery((1.0,) * 8), (), "perceptual", InvalidInputError, "but is not asked"),
        )
    ],
)
def test_weights_of_spaces_that_are_not_asked(library, weighted, error, message):
    with pytest.raises(error, match=r"queries\[0\]\.space_weights: .*" + message) as caught:
        library.search(SearchRequest((weighted,)))
    if error is InvalidInputError:
        assert caught.value.metadata["field"] == "queries[0].space_weights"


def test_a_weight_does_not_make_a_space_a_must(library):
    def search(text):
        query = WeightedQuery(TextQuery(text), space_weights={"hue": 2.0})
        return library.search(SearchRequest((query,)))

    # No colour in it: the space is left out, as without a weight.
    assert {e.space for h in search("piece 7").hits for e in h.evidence} == {"lexical"}
    assert {e.space for h in search("red").hits for e in h.evidence} == {"hue", "lexical"}


def test_a_weight_for_a_space_without_its_encoder_says_so(filled):
    own = LocalLibrary(filled, {**encoders(), "hue": HueEncoder(revision="hue-2")})
    query = WeightedQuery(TextQuery("red"), space_weights={"hue": 2.0})
    with pytest.raises(PreconditionError) as caught:
        own.search(SearchRequest((query,)))
    assert caught.value.reason == "REVISION_MISMATCH"


ranked = st.dictionaries(st.sampled_from("abcdef"), st.floats(-10, 10)).map(
    lambda scores: tuple(Match(k, scores[k]) for k in sorted(scores, key=lambda k: -scores[k]))
)


@given(st.lists(ranked, min_size=2, max_size=4), st.floats(0.01, 100), st.sampled_from(METHODS))
def test_a_weight_multiplies_the_share_of_its_ranking(found, weight, fusion):
    def fused(share):
        rankings = [
            Ranking(Lane(n, share if n == 0 else 1.0, Probe(f"s{n}", None)), matches)
            for n, matches in enumerate(found)
        ]
        return {one.track_id: one.score for one in fuse(rankings, fusion)}

    # Linear in the share: what the first ranking gives is multiplied, the others' stays.
    none, once, weighted = fused(0.0), fused(1.0), fused(weight)
    for key, score in weighted.items():
        assert score == pytest.approx(none[key] + weight * (once[key] - none[key]), abs=1e-9)
