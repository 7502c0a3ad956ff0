"""Spaces that lack some tracks: what they cannot know is not held against anybody."""

from __future__ import annotations

import time

import numpy as np
import pytest

from retrieval.core.queries import (
    Fusion,
    FusionMethod,
    SearchRequest,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Probe, SparseVector
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.search import LocalLibrary
from retrieval.search.coverage import FEW
from retrieval.search.fuse import Lane, Ranking, fuse
from retrieval.store.protocol import Match
from tests.search.catalogue import HueEncoder, fill, track_id

METHODS = [Fusion(FusionMethod.RRF), Fusion(FusionMethod.WEIGHTED_SCORE)]
NAMES = ("old", "new", "newer")
SPACES = tuple(
    EmbeddingSpace(name, 4, Distance.COSINE, f"{name}-1", float16=False) for name in NAMES
)
LEXICAL = LexicalEncoder()


def records(count, encoded, seed=0):
    """Tracks of which only the first so many are in the newer spaces."""
    draw = np.random.default_rng(seed)
    found = []
    for number in range(count):
        payload = {"title": f"Piece {number}"}
        vectors = {name: draw.normal(size=4).astype(np.float32) for name in NAMES}
        if number >= encoded:
            vectors = {"old": vectors["old"]}
        vectors["lexical"] = LEXICAL.encode_words(payload)
        found.append(TrackRecord(track_id(number), payload, vectors, ()))
    return found


def library_of(store, found):
    return LocalLibrary(fill(store, found, (*SPACES, LEXICAL.space)), {"lexical": LEXICAL})


def like(record, *spaces):
    """A query in every space for the very vectors of a track, or for one of a stranger."""
    vector = record.vectors["old"]
    return tuple(
        WeightedQuery(VectorQuery(tuple(map(float, record.vectors.get(s, vector))), s))
        for s in spaces
    )


@pytest.mark.parametrize("fusion", METHODS, ids=["rrf", "score"])
@pytest.mark.parametrize(("count", "encoded"), [(40, 20), (400, 300)])
def test_a_recording_finds_itself_before_and_after_it_is_in_a_new_space(
    own_store, fusion, count, encoded
):
    found = records(count, encoded)
    library = library_of(own_store, found)
    for number in (0, encoded, count - 1):
        # The example is left out of its own answer, so a twin stands in for it.
        twin = TrackRecord("twin", {"title": "Twin"}, found[number].vectors, ())
        library.write([twin])
        request = SearchRequest((WeightedQuery(TrackQuery(track_id(number))),), fusion=fusion)
        best = library.search(request).hits[0]
        assert best.track.id == "twin"
        spaces = {"old"} if number >= encoded else set(NAMES)
        assert {e.space for e in best.evidence} == spaces
        library.delete_tracks(["twin"])


def test_strangers_are_told_from_tracks_that_rank_low(own_store):
    found = records(400, 300)
    library = library_of(own_store, found)
    query = WeightedQuery(TrackQuery(track_id(0)))
    hits = library.search(SearchRequest((query,), limit=1000, fusion=METHODS[0])).hits
    everywhere = [h for h in hits if h.track.id < track_id(300)]
    strangers = [h for h in hits if h.track.id >= track_id(300)]
    assert (len(everywhere), len(strangers)) == (299, 100)
    for hit in everywhere:
        assert hit.score == pytest.approx(sum(1 / (60 + e.rank) for e in hit.evidence))
    for hit in strangers:
        [own] = hit.evidence
        assert hit.score == pytest.approx(3 / (60 + own.rank))


def test_what_is_written_soon_counts(own_store):
    found = records(30, 30)
    library = library_of(own_store, found)
    request = SearchRequest((WeightedQuery(TrackQuery(track_id(0))),))
    assert len(library.search(request).hits[0].evidence) == 3
    late = TrackRecord("late", {"title": "Late"}, {"old": found[0].vectors["old"]}, ())
    library.write([late])
    end = time.monotonic() + 5
    while library.search(request).hits[0].track.id != "late":
        assert time.monotonic() < end


def test_no_round_trip_for_a_handful_or_for_nobody(own_store):
    lacking = int(400 * FEW) - 1
    library_of(own_store, records(400, 400 - lacking))
    asked = []

    class Counting:
        def __getattr__(self, name):
            asked.append(name)
            return getattr(own_store, name)

    own = LocalLibrary(Counting(), {"lexical": LEXICAL})
    request = SearchRequest((WeightedQuery(TrackQuery(track_id(0))),), payload_fields=())
    own.search(request)  # calibrates the space
    asked.clear()
    own.search(request)
    assert asked.count("search") == 1
    assert "count" not in asked
    assert "count_vectors" not in asked


def test_words_rank_a_track_that_no_other_space_knows(own_store):
    hue = HueEncoder()
    draw = np.random.default_rng(1)
    found = []
    for number in range(30):
        payload = {"title": "Blue Moon" if number == 29 else f"Piece {number}"}
        vectors = {"lexical": LEXICAL.encode_words(payload)}
        if number < 20:
            vectors["hue"] = np.abs(draw.normal(size=8)).astype(np.float32)
        found.append(TrackRecord(track_id(number), payload, vectors, ()))
    fill(own_store, found, (hue.space, LEXICAL.space))
    library = LocalLibrary(own_store, {"hue": hue, "lexical": LEXICAL})
    for fusion in METHODS:
        query = WeightedQuery(TextQuery("blue moon"))
        best = library.search(SearchRequest((query,), fusion=fusion)).hits[0]
        assert best.track.payload["title"] == "Blue Moon"
        assert [e.space for e in best.evidence] == ["lexical"]


def test_a_space_of_segments_is_not_asked_for_tracks(own_store):
    moment = EmbeddingSpace(
        "moment", 4, Distance.COSINE, "m-1", levels=frozenset({Level.SEGMENT}), float16=False
    )
    found = records(4, 4)
    part = SegmentRecord(Span(0.0, 1.0), {"moment": found[0].vectors["old"]})
    found[0] = TrackRecord(found[0].id, found[0].payload, found[0].vectors, (part,))
    fill(own_store, found, (*SPACES, LEXICAL.space, moment))
    queries = like(found[0], "old", "moment")
    hits = LocalLibrary(own_store, {}).search(SearchRequest(queries)).hits
    assert hits[0].track.id == found[0].id
    assert {e.space for e in hits[0].evidence} == {"old", "moment"}


def ranking(query, share, order, strangers="", among=0):
    lane = Lane(query, share, Probe(order, np.zeros(2, np.float32)))
    matches = tuple(Match(key, float(-rank)) for rank, key in enumerate(order))
    return Ranking(lane, matches, frozenset(strangers), among)


def test_what_is_assumed_of_strangers():
    nothing = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
    words = Lane(0, 1.0, Probe("words", nothing))
    rankings = [
        Ranking(words, (Match("x", 2.0), Match("y", 1.0))),
        ranking(0, 2.0, "abz", "xy", among=10),
        ranking(0, 3.0, "bay", "xz", among=3),
        ranking(1, 5.0, "xab"),
    ]
    scores = {one.track_id: one.score for one in fuse(rankings, Fusion(k=0))}
    # In both spaces of the first query x is a stranger, and counts as the average track there.
    mean_a, mean_b = 2 * (1 + 1 / 2 + 1 / 3) / 10, 3 * (1 + 1 / 2 + 1 / 3) / 3
    assert scores["x"] == pytest.approx(1 + mean_a + mean_b + 5)
    # In one of them y has a place, which stands for the other too; its words say nothing of sound.
    assert scores["y"] == pytest.approx(1 / 2 + 3 / 3 + 2 / 3)
    assert scores["z"] == pytest.approx(2 / 3 + 3 / 3)
    assert scores["a"] == pytest.approx(2 + 3 / 2 + 5 / 2)
