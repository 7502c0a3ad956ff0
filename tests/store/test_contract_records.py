"""Over every store: what is written, updated and deleted is what the oracle then holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.filters import (
    Any,
    Equals,
    Range,
    TextMatch,
)
from retrieval.core.spaces import Level, Probe
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.store.protocol import StoreQuery, records
from tests.store.agreement import same_libraries, same_records
from tests.store.library import (
    FIELDS,
    SPACES,
    TRACKS,
    dense,
    felt,
    record,
    sparse,
)
from tests.store.oracle import OracleStore

# Records, paging, counting, facets


def test_records_come_back_as_written(filled):
    store, oracle = filled
    ids = ["track-5", "nobody", "track-3", "track-17"]
    for options in (
        {},
        {"vectors": True},
        {"segments": True},
        {"vectors": True, "segments": True},
        {"payload": ("title", "genre", "comment")},
        {"payload": ()},
    ):
        same_records(store.retrieve(ids, **options), oracle.retrieve(ids, **options))
    assert store.retrieve([]) == ()


@pytest.mark.parametrize("limit", [1, 7, TRACKS - 1, TRACKS, TRACKS + 1])
def test_pages_show_every_track_once(filled, limit):
    store, oracle = filled
    for passing in (None, Equals("mood", "calm")):
        seen, after = [], None
        while True:
            page, after = store.scroll(passing, limit=limit, after=after)
            assert len(page) <= limit
            seen += [r.id for r in page]
            if after is None:
                break
            assert len(page) == limit
            assert after == seen[-1]
        assert len(seen) == len(set(seen))
        assert set(seen) == {r.id for r in oracle.scroll(passing, limit=TRACKS)[0]}


def test_a_walk_survives_deletions(store):
    store.write([record(n, segments=0) for n in range(30)])
    order = [r.id for r in store.scroll(limit=30)[0]]
    first, after = store.scroll(limit=10)
    assert [r.id for r in first] == order[:10]
    store.delete([after, order[10], order[3]])
    rest, end = store.scroll(limit=30, after=after)
    assert [r.id for r in rest] == order[11:]
    assert end is None


def test_every_record_walks_by(filled):
    store, oracle = filled
    got = sorted(records(store, page=16), key=lambda r: r.id)
    want = sorted(records(oracle), key=lambda r: r.id)
    same_records(got, want)


def test_counts(filled):
    store, oracle = filled
    assert store.count() == TRACKS
    assert store.count(level=Level.SEGMENT) == oracle.count(level=Level.SEGMENT) > TRACKS
    for space in SPACES:
        assert store.count_vectors(space.name) == oracle.count_vectors(space.name) > 0
    with pytest.raises(PreconditionError):
        store.count_vectors("nowhere")


@pytest.mark.parametrize("field", ["genre", "mood", "year", "live", "title", "comment"])
def test_facets(filled, field):
    store, oracle = filled
    for passing in (None, Range("year", gt=1980), Any(())):
        for limit in (1, 3, 1000):
            got = store.facets(field, passing, limit=limit)
            assert got == oracle.facets(field, passing, limit=limit)
            assert [type(f.value) for f in got] == [
                type(f.value) for f in oracle.facets(field, passing, limit=limit)
            ]


@pytest.mark.parametrize("field", ["duration", "recorded", "nowhere"])
def test_facets_of_fields_without_values_to_count(filled, field):
    with pytest.raises(InvalidInputError) as caught:
        filled[0].facets(field)
    assert caught.value.reason == "INVALID_FIELD"


# Writing


def test_writing_again_replaces_everything(store):
    oracle = OracleStore()
    oracle.declare(SPACES, FIELDS)
    for each in (store, oracle):
        each.write([record(n, segments=5) for n in range(10)])
        each.write([record(n, segments=5) for n in range(10)])
        each.write([record(3, segments=2, seed=1), record(4, segments=0), record(5, segments=9)])
        each.write([TrackRecord("track-6", {}, {})])
        each.write([])
    same_libraries(store, oracle)
    bare = store.retrieve(["track-6"], vectors=True, segments=True)[0]
    assert (bare.payload, bare.vectors, bare.segments) == ({}, {}, ())


def test_the_last_of_two_records_of_one_track_counts(store):
    store.write([record(1, segments=4), replace(record(2, segments=1), id="track-1")])
    same_records(
        store.retrieve(["track-1"], vectors=True, segments=True),
        [replace(record(2, segments=1), id="track-1")],
    )
    assert store.count(level=Level.SEGMENT) == 1


def test_updates_change_payload_and_some_vectors(store):
    oracle, rng = OracleStore(), np.random.default_rng(0)
    oracle.declare(SPACES, FIELDS)
    changes = [
        TrackUpdate("track-1", {"title": "New", "genre": "Opera"}, {"lexical": sparse((2, 1.0))}),
        TrackUpdate("track-2", {}),
        TrackUpdate("track-3", {"mood": "odd"}, {"lexical": sparse(), "sound": dense(rng, 8)}),
        TrackUpdate("track-7", record(7).payload, {"dot": dense(rng, 6), "felt": felt(rng)}),
        TrackUpdate("nobody", {"title": "ghost"}, {"sound": dense(rng, 8)}),
    ]
    for each in (store, oracle):
        each.write([record(n, segments=3) for n in range(10)])
        each.update(changes)
        each.update([])
    same_libraries(store, oracle)
    assert store.count(TextMatch("title", "song"), Level.SEGMENT) == 7 * 3
    assert store.count(Equals("genre", "Opera"), Level.SEGMENT) == 3


def test_deleting(store):
    store.write([record(n, segments=2) for n in range(6)])
    assert store.delete(["track-1", "nobody", "track-1", "track-4"]) == 2
    assert store.delete(["track-1"]) == 0
    assert store.delete([]) == 0
    assert (store.count(), store.count(level=Level.SEGMENT)) == (4, 8)
    assert store.retrieve(["track-1"]) == ()
    query = StoreQuery(Probe("sound", np.ones(8, np.float32)), Level.SEGMENT, limit=50)
    assert {m.track_id for m in store.search([query])[0]} == {f"track-{n}" for n in (0, 2, 3, 5)}


BAD_RECORDS = [
    TrackRecord("../etc", {}, {}),
    TrackRecord("t", {"nowhere": 1}, {}),
    TrackRecord("t", {"year": "1970"}, {}),
    TrackRecord("t", {"title": "lone \ud800"}, {}),
    TrackRecord("t", {"recorded": "yesterday"}, {}),
    TrackRecord("t", {"recorded": "0001-01-01T00:00:00+14:00"}, {}),
    TrackRecord("t", {}, {"sound": np.full(8, np.nan, np.float32)}),
    TrackRecord("t", {}, {"sound": np.full(8, np.inf, np.float32)}),
    TrackRecord("t", {}, {"sound": np.zeros(8, np.float32)}),
    TrackRecord("t", {}, {"sound": np.ones(7, np.float32)}),
    TrackRecord("t", {}, {"half": np.full(16, 1e6, np.float32)}),
    TrackRecord("t", {}, {"felt": np.array([1, 2, 3, np.nan], np.float32)}),
    TrackRecord("t", {}, {"lexical": sparse((3, 1.0), (3, 1.0))}),
    TrackRecord("t", {}, {"lexical": sparse((3, np.inf))}),
    TrackRecord("t", {}, {}, (SegmentRecord(Span(0, 1), {"sound": np.zeros(8, np.float32)}),)),
    TrackRecord("t", {}, {}, (SegmentRecord(Span(0, 1), {}), SegmentRecord(Span(0.0, 1), {}))),
]


@pytest.mark.parametrize("bad", BAD_RECORDS)
def test_what_cannot_be_stored_is_refused_whole(store, bad):
    with pytest.raises(InvalidInputError):
        store.write([record(1), bad])
    assert store.count() == 0
    if not bad.segments and bad.id == "t":
        store.write([record(1)])
        with pytest.raises(InvalidInputError):
            store.update([TrackUpdate("track-1", bad.payload, bad.vectors)])
        same_records(store.retrieve(["track-1"], vectors=True, segments=True), [record(1)])


@pytest.mark.parametrize(
    "bad",
    [
        TrackRecord("t", {}, {"nowhere": np.ones(3, np.float32)}),
        TrackRecord("t", {}, {"moments": np.ones(5, np.float32)}),
        TrackRecord("t", {}, {}, (SegmentRecord(Span(0, 1), {"dot": np.ones(6, np.float32)}),)),
    ],
)
def test_vectors_of_spaces_the_library_has_not_are_refused(store, bad):
    with pytest.raises(PreconditionError) as caught:
        store.write([bad])
    assert caught.value.reason == "SPACE_UNAVAILABLE"
