"""What an answer holds: fusion, paging, payload, segments, evidence, and how it is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.budget import Budget
from retrieval.core.errors import (
    CancelledError,
    DeadlineError,
    InvalidInputError,
    PreconditionError,
)
from retrieval.core.filters import All, Equals, Not, Range, TrackIds
from retrieval.core.queries import (
    Fusion,
    FusionMethod,
    SearchRequest,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.core.spaces import Distance, EmbeddingSpace, Level
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.search import LocalLibrary
from retrieval.search.fuse import Lane, Ranking, depth, fuse
from retrieval.store.protocol import Match
from tests.search.catalogue import HueEncoder, encoders, fill, track_id


def text(words, weight=1.0, *spaces):
    return WeightedQuery(TextQuery(words), weight, spaces)


def ids(response):
    return [hit.track.id for hit in response.hits]


class TestFusion:
    def test_one_ranking_keeps_its_scores(self, library):
        for method in FusionMethod:
            response = library.search(
                SearchRequest((text("red", 5.0, "hue"),), fusion=Fusion(method))
            )
            assert [h.score for h in response.hits] == [h.evidence[0].score for h in response.hits]

    def test_rrf_by_its_definition(self, library):
        request = SearchRequest(
            (text("red piece", 2.0), WeightedQuery(TrackQuery(track_id(1)), 0.5)),
            limit=40,
            fusion=Fusion(k=10),
        )
        weights = (2.0, 0.5)
        for hit in library.search(request).hits:
            expected = sum(weights[e.query] / (10 + e.rank) for e in hit.evidence)
            assert hit.score == pytest.approx(expected, rel=1e-12)

    def test_weighted_score_by_its_definition(self, library):
        queries = (text("red", 2.0, "hue"), WeightedQuery(TrackQuery(track_id(1)), 0.5))
        fusion = Fusion(FusionMethod.WEIGHTED_SCORE)
        hits = library.search(SearchRequest(queries, limit=40, fusion=fusion)).hits
        scores = {}
        for hit in hits:
            for e in hit.evidence:
                scores.setdefault((e.query, e.space), []).append(e.score)
        weights = (2.0, 0.5)
        for hit in hits:
            expected = 0.0
            for e in hit.evidence:
                found = scores[e.query, e.space]
                scaled = (e.score - min(found)) / (max(found) - min(found))
                expected += weights[e.query] * scaled
            assert hit.score == pytest.approx(expected, abs=1e-9)

    def test_ties_go_by_track_id(self):
        # Each track is first, second, third and fourth once.
        orders = ("abcd", "dcba", "bdac", "cadb")
        rankings = [
            Ranking(Lane(n, 0.1, Probe(f"s{n}")), tuple(Match(key, 1.0) for key in order))
            for n, order in enumerate(orders)
        ]
        for turned in (rankings, rankings[::-1], [*rankings[2:], *rankings[:2]]):
            fused = fuse(turned, Fusion())
            assert [one.track_id for one in fused] == ["a", "b", "c", "d"]
            assert len({one.score for one in fused}) == 1

    def test_equal_scores_count_whole(self):
        rankings = [
            Ranking(Lane(0, 2.0, Probe("x")), (Match("b", 3.0), Match("a", 3.0))),
            Ranking(Lane(1, 1.0, Probe("y")), ()),
        ]
        fused = fuse(rankings, Fusion(FusionMethod.WEIGHTED_SCORE))
        assert [(f.track_id, f.score) for f in fused] == [("a", 2.0), ("b", 2.0)]

    def test_depth(self):
        assert depth(0, 10, 1) == 11
        assert depth(90, 10, 1) == 101
        assert depth(0, 10, 2) == 128
        assert depth(20, 12, 2) == 128
        assert depth(30, 10, 2) == 256
        assert depth(0, 1000, 3) == 4096


class Probe:
    def __init__(self, space):
        self.space = space


class TestPages:
    @pytest.mark.parametrize("queries", [(text("red", 1.0, "hue"),), (text("red piece"),)])
    def test_pages_make_up_the_whole(self, library, queries):
        whole = library.search(SearchRequest(queries, limit=100))
        assert not whole.more
        pages = []
        for offset in range(0, 40, 7):
            page = library.search(SearchRequest(queries, limit=7, offset=offset))
            assert page.more == (offset + 7 < len(whole.hits))
            pages += page.hits
        assert [(h.track.id, h.score) for h in pages] == [(h.track.id, h.score) for h in whole.hits]

    def test_beyond_the_end(self, library):
        page = library.search(SearchRequest((text("red"),), offset=10_000))
        assert page.hits == ()
        assert not page.more

    @pytest.mark.parametrize(
        ("more", "named"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": 1001}, "limit"),
            ({"offset": -1}, "offset"),
            ({"offset": 10_001}, "offset"),
            ({"segments": -1}, "segments"),
            ({"segments": 21}, "segments"),
            ({"fusion": Fusion(k=0)}, "fusion.k"),
            ({"queries": ()}, "queries"),
            ({"queries": (text("red"),) * 17}, "queries"),
            ({"queries": (text("red"), text("red", 0.0))}, r"queries\[1\]\.weight"),
            ({"queries": (text("red", float("nan")),)}, r"queries\[0\]\.weight"),
            ({"queries": (text("red", float("inf")),)}, r"queries\[0\]\.weight"),
            ({"queries": (WeightedQuery("red"),)}, "type str"),
        ],
    )
    def test_bounds(self, library, more, named):
        with pytest.raises(InvalidInputError, match=named):
            library.search(SearchRequest(**{"queries": (text("red"),), **more}))


class TestFilters:
    def test_applies_to_every_query(self, library, records):
        wanted = Equals("genre", "jazz")
        response = library.search(
            SearchRequest((text("red piece"), WeightedQuery(TrackQuery(track_id(0)))), wanted, 40)
        )
        jazz = {key for key, r in records.items() if r.payload["genre"] == "jazz"}
        assert set(ids(response)) == jazz - {track_id(0)}

    def test_exclusion_leaves_a_filter_of_full_depth_working(self, library):
        deep = Equals("genre", "jazz")
        for _ in range(3):
            deep = Not(Not(deep))
        deep = All((deep, Range("bpm", gte=0.0)))
        request = SearchRequest((WeightedQuery(TrackQuery(track_id(0))),), deep, 40)
        assert len(ids(library.search(request))) == 9

    def test_bad_filter(self, library):
        with pytest.raises(InvalidInputError, match="no field 'mood'") as caught:
            library.search(SearchRequest((text("red"),), Equals("mood", "dark")))
        assert caught.value.reason == "INVALID_FILTER"

    def test_nothing_passes(self, library):
        response = library.search(SearchRequest((text("red"),), TrackIds(("f" * 32,))))
        assert response.hits == ()


class TestPayload:
    @pytest.mark.parametrize("queries", [(text("red", 1.0, "hue"),), (text("red piece"),)])
    def test_mask(self, library, records, queries):
        def payloads(fields):
            response = library.search(SearchRequest(queries, payload_fields=fields))
            return {h.track.id: dict(h.track.payload) for h in response.hits}

        for key, payload in payloads(None).items():
            assert payload == dict(records[key].payload)
        for key, payload in payloads(("bpm", "paths")).items():
            assert payload == {n: records[key].payload[n] for n in ("bpm", "paths")}
        assert all(payload == {} for payload in payloads(()).values())

    def test_unknown_field(self, library):
        with pytest.raises(InvalidInputError, match="payload_fields: there is no field 'mood'"):
            library.search(SearchRequest((text("red"),), payload_fields=("mood",)))


class TestSegments:
    def test_best_moments_by_score(self, library, records):
        direction = HueEncoder().prepare_text("blue").astype(float)
        response = library.search(SearchRequest((text("blue", 1.0, "hue"),), segments=2))
        for hit in response.hits:

            def score(segment):
                vector = segment.vectors["hue"].astype(float)
                cosine = vector @ direction / np.linalg.norm(vector) / np.linalg.norm(direction)
                return float(cosine)

            best = sorted(records[hit.track.id].segments, key=lambda s: -score(s))[:2]
            assert [s.span for s in hit.segments] == [s.span for s in best]
            for found, expected in zip(hit.segments, best, strict=True):
                assert found.score == pytest.approx(score(expected), abs=1e-5)
                assert found.space == "hue"

    def test_from_every_probed_space_with_segments(self, library):
        queries = (WeightedQuery(TrackQuery(track_id(2))), text("red piece"))
        response = library.search(SearchRequest(queries, segments=4))
        assert {s.space for h in response.hits for s in h.segments} == {"hue", "perceptual"}
        assert all(len({s.span for s in h.segments}) == 4 for h in response.hits)

    def test_for_vectors(self, library):
        response = library.search(SearchRequest((WeightedQuery(VectorQuery((0.0,) * 10)),)))
        assert all(len(h.segments) == 3 for h in response.hits)
        for hit in response.hits:
            assert list(hit.segments) == sorted(hit.segments, key=lambda s: -s.score)

    def test_none_asked_and_none_there(self, library):
        for request in (
            SearchRequest((text("red", 1.0, "hue"),), segments=0),
            SearchRequest((text("red", 1.0, "lexical"),), segments=5),
        ):
            response = library.search(request)
            assert response.hits
            assert all(h.segments == () for h in response.hits)

    def test_a_space_of_segments_alone(self, own_store):
        space = EmbeddingSpace(
            "moment", 3, Distance.COSINE, "m-1", levels=frozenset({Level.SEGMENT}), float16=False
        )

        def record(key, *vectors):
            segments = tuple(
                SegmentRecord(Span(n, n + 1.0), {"moment": np.array(v, np.float32)})
                for n, v in enumerate(vectors)
            )
            return TrackRecord(key, {"title": key}, {}, segments)

        fill(
            own_store,
            [record("a", (1, 0, 0), (0, 1, 0)), record("b", (0.9, 0.1, 0), (0.8, 0.2, 0))],
            (space,),
        )
        own = LocalLibrary(own_store, {})
        response = own.search(SearchRequest((WeightedQuery(VectorQuery((0.0, 1.0, 0.0))),)))
        assert ids(response) == ["a", "b"]
        assert response.hits[0].segments[0].span == Span(1.0, 2.0)
        assert response.hits[0].track.payload == {"title": "a"}


class TestRoundTrips:
    def test_one_for_rankings_and_one_for_segments(self, filled):
        calls = []

        class Counting:
            def __getattr__(self, name):
                method = getattr(filled, name)
                if name in ("search", "retrieve"):
                    calls.append(name)
                return method

        own = LocalLibrary(Counting(), encoders())
        # Spaces are calibrated once.
        own.search(SearchRequest((text("blue piece"),)))
        calls.clear()
        own.search(SearchRequest((text("red", 1.0, "hue"),), segments=0))
        assert calls == ["search"]
        calls.clear()
        own.search(SearchRequest((text("red", 1.0, "hue"),)))
        assert calls == ["search", "search"]
        calls.clear()
        own.search(SearchRequest((text("red piece"), text("blue")), payload_fields=()))
        assert calls == ["search", "search"]


class TestBudget:
    def test_spent(self, library):
        with pytest.raises(DeadlineError):
            library.search(SearchRequest((text("red"),)), budget=Budget(0.0))

    def test_cancelled(self, library):
        budget = Budget(60.0)
        budget.cancel()
        with pytest.raises(CancelledError):
            library.search(SearchRequest((text("red"),)), budget=budget)

    def test_enough(self, library):
        budget = Budget(60.0)
        assert library.search(SearchRequest((text("red"),)), budget=budget).hits
        assert 0.0 < budget.remaining() < 60.0

    def test_cancelled_between_stages(self, filled):
        budget = Budget()
        hue = HueEncoder()
        forward = hue.forward_text

        def last_words(batch):
            budget.cancel()
            return forward(batch)

        hue.forward_text = last_words
        own = LocalLibrary(filled, {"hue": hue})
        with pytest.raises(CancelledError, match="before searching"):
            own.search(SearchRequest((text("red"),)), budget=budget)


def test_nothing_indexed_yet(own_store):
    with pytest.raises(PreconditionError) as caught:
        LocalLibrary(own_store, encoders()).search(SearchRequest((text("red"),)))
    assert caught.value.reason == "LIBRARY_MISSING"


def test_empty_library(own_store):
    own = LocalLibrary(fill(own_store, []), encoders())
    assert own.search(SearchRequest((text("red"),))).hits == ()
    assert own.search(SearchRequest((WeightedQuery(VectorQuery((1.0,) * 10)),))).hits == ()


def test_many_threads_get_the_same_answers(library):
    from concurrent.futures import ThreadPoolExecutor

    requests = [
        SearchRequest((text(f"{colour} piece"), WeightedQuery(TrackQuery(track_id(n)))))
        for n, colour in enumerate(("red", "blue", "grey", "white") * 8)
    ]
    alone = [ids(library.search(request)) for request in requests]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda r: ids(library.search(r)), requests)) == alone


def test_took_ms(library):
    assert library.search(SearchRequest((text("red"),))).took_ms > 0.0
