"""One suite over every store: what a store answers is what the oracle answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError, PreconditionError, StoreError
from retrieval.core.filters import (
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
)
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Probe, Statistics
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.store.protocol import StoreQuery, records
from tests.store.factories import FACTORIES, FORGETFUL
from tests.store.library import (
    COSINE,
    DOT,
    FIELDS,
    HALF,
    MOMENTS,
    SPACES,
    SPARSE,
    WEIGHTED,
    dense,
    felt,
    record,
    sparse,
)
from tests.store.oracle import OracleStore

TRACKS = 90


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def name(request):
    return request.param


@pytest.fixture
def opener(name, tmp_path):
    """Opens the store, and closes whatever is still open in the end."""
    opened = []

    def open_again():
        opened.append(FACTORIES[name](tmp_path))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def shared(name, tmp_path_factory):
    store = FACTORIES[name](tmp_path_factory.mktemp("shared"))
    store.declare(SPACES, FIELDS)
    yield store
    store.close()


@pytest.fixture
def store(shared):
    """A declared library without tracks."""
    shared.delete([r.id for r in shared.scroll(limit=1000)[0]])
    assert shared.count() == shared.count(level=Level.SEGMENT) == 0
    return shared


@pytest.fixture(scope="module")
def filled(name, tmp_path_factory):
    """A store and the oracle with the same tracks, for tests that only ask."""
    store, oracle = FACTORIES[name](tmp_path_factory.mktemp("filled")), OracleStore()
    for each in (store, oracle):
        each.declare(SPACES, FIELDS)
        each.write([record(n) for n in range(TRACKS)])
    yield store, oracle
    store.close()


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


# Search


@pytest.mark.parametrize("space", [COSINE, DOT, SPARSE, WEIGHTED], ids=lambda s: s.name)
@pytest.mark.parametrize("limit", [1, 10, 200])
def test_tracks_rank_as_in_the_oracle(filled, space, limit):
    store, oracle = filled
    rng = np.random.default_rng(limit)
    queries = [
        StoreQuery(probe(space, rng), filter=passing, limit=limit, payload=payload, exact=exact)
        for passing in (None, Equals("mood", "calm"), Range("duration", gte=200))
        for payload, exact in (((), False), (None, True), (("title", "year"), False))
    ]
    for got, want in zip(store.search(queries), oracle.search(queries), strict=True):
        assert want
        same_ranking(got, want)


def test_half_precision_keeps_scores_to_its_own_precision(filled):
    store, oracle = filled
    query = StoreQuery(probe(HALF, np.random.default_rng(1)), limit=TRACKS)
    got = {m.track_id: m.score for m in store.search([query])[0]}
    want = {m.track_id: m.score for m in oracle.search([query])[0]}
    assert got == pytest.approx(want, abs=2e-3)


@pytest.mark.parametrize("space", [COSINE, WEIGHTED, MOMENTS], ids=lambda s: s.name)
@pytest.mark.parametrize("per_track", [None, 1, 2, 100])
@pytest.mark.parametrize("limit", [1, 5, 300])
def test_segments_rank_and_group_as_in_the_oracle(filled, space, per_track, limit):
    store, oracle = filled
    rng = np.random.default_rng([limit, per_track or 0])
    queries = [
        StoreQuery(
            probe(space, rng), Level.SEGMENT, passing, limit, per_track, payload=("genre", "mood")
        )
        for passing in (None, NoneOf("mood", ("calm",)), TextMatch("genre", "rock"))
    ]
    for got, want in zip(store.search(queries), oracle.search(queries), strict=True):
        assert want
        same_ranking(got, want)


def test_grouping_finds_every_track_behind_one_that_dominates(store):
    """One track's hundreds of segments are nearest; the others still fill the answer."""
    oracle, rng = OracleStore(), np.random.default_rng(5)
    oracle.declare(SPACES, FIELDS)
    goal = dense(rng, 8)

    def parts(count, spread):
        return tuple(
            SegmentRecord(
                Span(float(k), k + 1.0),
                {"sound": (goal + spread * rng.normal(size=8)).astype(np.float32)},
            )
            for k in range(count)
        )

    written = [TrackRecord("long", {}, {}, parts(400, 0.01))]
    written += [TrackRecord(f"short{n}", {}, {}, parts(3, 1.0)) for n in range(12)]
    query = StoreQuery(Probe("sound", goal), Level.SEGMENT, limit=10, per_track=2)
    for each in (store, oracle):
        each.write(written)
    (got,), (want,) = store.search([query]), oracle.search([query])
    assert len({m.track_id for m in got}) == 10
    same_ranking(got, want)


def test_weights_and_subsets(filled):
    store, oracle = filled
    rng = np.random.default_rng(2)
    for _ in range(10):
        weights = rng.uniform(0, 3, 4) * (rng.random(4) < 0.6)
        weights[rng.integers(4)] += 0.5
        query = StoreQuery(probe(WEIGHTED, rng, weights), limit=7)
        same_ranking(store.search([query])[0], oracle.search([query])[0], tolerance=1e-4)


def test_ties_come_in_order_of_track_and_time(store):
    vector = np.ones(8, np.float32)
    ids = [f"t{n:02d}" for n in range(40)]
    parts = tuple(SegmentRecord(Span(s, s + 1.0), {"sound": vector}) for s in (3.0, 0.0, 10.0))
    store.write(
        [
            TrackRecord(
                i, {}, {"sound": vector, "felt": vector[:4], "lexical": sparse((3, 1.0))}, parts
            )
            for i in reversed(ids)
        ]
    )
    for space, query in (
        ("sound", vector), ("felt", vector[:4] + 1), ("lexical", sparse((3, 2.0))),
    ):  # fmt: skip
        (got,) = store.search([StoreQuery(Probe(space, query), limit=5)])
        assert [m.track_id for m in got] == ids[:5]
    (got,) = store.search([StoreQuery(Probe("sound", vector), Level.SEGMENT, limit=4)])
    assert [(m.track_id, m.span.start) for m in got] == [
        ("t00", 0.0), ("t00", 3.0), ("t00", 10.0), ("t01", 0.0),
    ]  # fmt: skip
    (got,) = store.search([StoreQuery(Probe("sound", vector), Level.SEGMENT, None, 2, 2)])
    assert [(m.track_id, m.span.start) for m in got] == [
        ("t00", 0.0), ("t00", 3.0), ("t01", 0.0), ("t01", 3.0),
    ]  # fmt: skip


def test_a_track_is_at_no_distance_from_itself(filled):
    store, _ = filled
    held = store.retrieve([f"track-{n}" for n in range(20)], vectors=True)
    for original, kept in zip((record(n) for n in range(20)), held, strict=True):
        for vector in (original.vectors["felt"], kept.vectors["felt"]):
            (got,) = store.search([StoreQuery(Probe("felt", vector), limit=1)])
            assert got[0].track_id == original.id
            assert got[0].distance == pytest.approx(0.0, abs=1e-4)


def test_words_nobody_has_match_nothing(filled):
    store, _ = filled
    queries = [StoreQuery(Probe("lexical", v), limit=5) for v in (sparse((999, 1.0)), sparse())]
    assert store.search(queries) == ((), ())
    assert store.search([]) == ()


def test_idf_follows_deletions_and_rewrites(store):
    oracle = OracleStore()
    oracle.declare(SPACES, FIELDS)
    query = StoreQuery(Probe("lexical", sparse((1, 1.0), (2, 1.0))), limit=60)
    for each in (store, oracle):
        each.write([TrackRecord(f"t{n}", {}, {"lexical": sparse((n % 3, 1.0))}) for n in range(60)])
        each.optimize()
        each.delete([f"t{n}" for n in range(0, 60, 3)])
        each.write(
            [TrackRecord(f"t{n}", {}, {"lexical": sparse((7, 1.0))}) for n in range(1, 30, 3)]
        )
        each.update([TrackUpdate("t2", {}, {"lexical": sparse()})])
    same_ranking(store.search([query])[0], oracle.search([query])[0], tolerance=1e-4)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (StoreQuery(Probe("nowhere", np.ones(8, np.float32))), PreconditionError),
        (StoreQuery(Probe("dot", np.ones(6, np.float32)), Level.SEGMENT), PreconditionError),
        (StoreQuery(Probe("moments", np.ones(5, np.float32))), PreconditionError),
        (StoreQuery(Probe("sound", np.full(8, np.nan, np.float32))), InvalidInputError),
        (StoreQuery(Probe("sound", np.zeros(8, np.float32))), InvalidInputError),
        (StoreQuery(Probe("sound", np.ones(9, np.float32))), InvalidInputError),
        (StoreQuery(Probe("sound", sparse((1, 1.0)))), InvalidInputError),
        (StoreQuery(Probe("felt", np.ones(4, np.float32), np.zeros(4))), InvalidInputError),
        (StoreQuery(Probe("felt", np.ones(4, np.float32), -np.ones(4))), InvalidInputError),
        (StoreQuery(Probe("sound", np.ones(8, np.float32)), limit=0), InvalidInputError),
        (StoreQuery(Probe("sound", np.ones(8, np.float32)), per_track=2), InvalidInputError),
        (
            StoreQuery(Probe("sound", np.ones(8, np.float32)), filter=Exists("nowhere")),
            InvalidInputError,
        ),
    ],
)
def test_questions_without_an_answer_are_refused(filled, query, error):
    with pytest.raises(error):
        filled[0].search([query])


# Filters (nested and generated ones: test_filters.py)

FILTERS = [
    Equals("title", "Song number 7"),
    Equals("title", "song number 7"),
    Equals("genre", "Rock"),
    Equals("year", 1971),
    Equals("live", True),
    Equals("live", False),
    Equals("duration", 100.0),
    Equals("recorded", "2003-06-01T09:00:00Z"),
    Equals("mood", "calm"),
    AnyOf("genre", ("Jazz", "夜の音楽")),
    AnyOf("year", (1961, 1962, 1999)),
    AnyOf("live", (True, False)),
    AnyOf("mood", ()),
    AnyOf("recorded", ("2003-06-01T09:00:00Z", "2004-06-01T08:00:00+00:00")),
    NoneOf("genre", ("Rock", "rock")),
    NoneOf("live", (True,)),
    NoneOf("mood", ()),
    Range("year", gt=1970, lte=1980),
    Range("year", gt=1970.5, lt=1979.5),
    Range("year", gte=1970.5, lte=1979.5),
    Range("year", gt=1e300),
    Range("year", lt=1e300),
    Range("year", gte=1980, lte=1970),
    Range("duration", gte=100.5, lt=200),
    Range("duration", gt=100, gte=300, lt=350, lte=390),
    Range("recorded", gte="2010-06-01T00:00:00Z", lt="2015-06-01T12:00:00+05:00"),
    TextMatch("title", "NUMBER song"),
    TextMatch("title", "num"),
    TextMatch("genre", "hard"),
    TextMatch("genre", "hard jazz"),
    TextMatch("genre", "cafe"),
    TextMatch("genre", "CAFE\u0301"),
    TextMatch("genre", "音楽"),
    Exists("genre"),
    Exists("comment"),
    Not(Exists("live")),
    TrackIds(("track-1", "track-2", "nobody")),
    TrackIds(()),
    All(()),
    Any(()),
    Not(All(())),
    Not(Any(())),
    Any((Equals("mood", "calm"), All((Range("year", gt=1990), Not(Equals("live", True)))))),
]


@pytest.mark.parametrize("filter", FILTERS, ids=str)
def test_filters_pass_what_passes_in_the_oracle(filled, filter):
    store, oracle = filled
    want = {r.id for r in oracle.scroll(filter, limit=TRACKS)[0]}
    assert {r.id for r in store.scroll(filter, limit=TRACKS)[0]} == want
    assert store.count(filter) == len(want)
    assert store.count(filter, Level.SEGMENT) == oracle.count(filter, Level.SEGMENT)


def test_filters_that_do_not_fit_are_refused(filled):
    store, _ = filled
    for bad in (Equals("nowhere", 1), Equals("year", "1970"), Range("mood", gt=1)):
        for call in (store.count, store.scroll, lambda f: store.facets("mood", f)):
            with pytest.raises(InvalidInputError) as caught:
                call(bad, limit=5) if call == store.scroll else call(bad)
            assert caught.value.reason == "INVALID_FILTER"


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


# The library itself


def test_nothing_works_before_the_first_declaration(opener):
    store = opener()
    for call in (
        store.info, store.count, store.optimize, store.flush,
        lambda: store.write([]), lambda: store.update([]), lambda: store.delete([]),
        lambda: store.scroll(limit=1), lambda: store.retrieve([]), lambda: store.search([]),
        lambda: store.facets("genre"), lambda: store.count_vectors("sound"),
        lambda: store.set_statistics("felt", Statistics((0.0,) * 4, (1.0,) * 4, 2)),
    ):  # fmt: skip
        with pytest.raises(PreconditionError) as caught:
            call()
        assert caught.value.reason == "LIBRARY_MISSING"


def test_declaring_tells_what_there_is(opener):
    store = opener()
    info = store.declare(SPACES, FIELDS)
    assert info.spaces == {s.name: s for s in SPACES}
    assert info.fields == {f.name: f for f in (*STANDARD_FIELDS, *FIELDS)}
    assert info == store.info() == store.declare(SPACES) == store.declare([])
    assert info.statistics == {}


def test_spaces_and_fields_can_be_added_to_a_full_library(opener):
    store, oracle = opener(), OracleStore()
    more = (Field("rating", FieldType.INTEGER), Field("notes", FieldType.TEXT))
    bare = ("sound", "lexical")

    def early(number):
        full = record(number, segments=2)
        kept = {k: v for k, v in full.vectors.items() if k in bare}
        parts = tuple(replace(s, vectors={"sound": s.vectors["sound"]}) for s in full.segments)
        return replace(full, vectors=kept, segments=parts)

    for each in (store, oracle):
        each.declare([COSINE, SPARSE], FIELDS)
        each.write([early(n) for n in range(20)])
        assert set(each.declare(SPACES, more).spaces) == {s.name for s in SPACES}
        each.write([record(n) for n in range(15, 30)])
        each.update([TrackUpdate("track-3", {"rating": 5, "notes": "a fine one"}, {})])
    same_libraries(store, oracle)
    rng = np.random.default_rng(3)
    for space in (DOT, WEIGHTED):
        query = StoreQuery(probe(space, rng), limit=40)
        same_ranking(store.search([query])[0], oracle.search([query])[0])
    assert store.count(TextMatch("notes", "fine")) == store.count(Equals("rating", 5)) == 1
    assert store.count_vectors("felt") == 15


@pytest.mark.parametrize(
    "other",
    [
        replace(COSINE, revision="r2"),
        replace(COSINE, dim=9),
        replace(COSINE, distance=Distance.DOT),
        replace(COSINE, levels=frozenset({Level.TRACK})),
    ],
)
def test_a_space_cannot_change(store, other):
    before = store.info()
    with pytest.raises(PreconditionError) as caught:
        store.declare([EmbeddingSpace("new", 3, Distance.DOT, "r"), other])
    assert caught.value.reason == "REVISION_MISMATCH"
    assert "sound" in caught.value.message
    assert store.info() == before


def test_a_field_cannot_change_its_type(store):
    before = store.info()
    for name in ("mood", "title"):
        with pytest.raises(PreconditionError) as caught:
            store.declare([], [Field("fresh", FieldType.FLOAT), Field(name, FieldType.INTEGER)])
        assert caught.value.reason == "FIELD_TYPE_CONFLICT"
    assert store.info() == before


def test_statistics_replace_each_other(store):
    first = Statistics((1.0, 2.0, 3.0, 4.0), (0.1, 0.2, 0.3, 0.4), 16)
    for statistics in (first, replace(first, count=20)):
        store.set_statistics("felt", statistics)
        assert store.info().statistics == {"felt": statistics}
    for space in ("nowhere", "sound"):
        with pytest.raises(PreconditionError):
            store.set_statistics(space, first)


def test_a_closed_store_opens_again_as_it_was(name, opener):
    if name in FORGETFUL:
        pytest.skip("keeps nothing after close")
    store, oracle = opener(), OracleStore()
    statistics = Statistics((1.0, 2.0, 3.0, 4.0), (0.1, 0.2, 0.3, 0.4), 16)
    for each in (store, oracle):
        each.declare(SPACES, FIELDS)
        each.write([record(n) for n in range(20)])
        each.update([TrackUpdate("track-3", {"mood": "odd"}, {})])
        each.delete(["track-4"])
        each.set_statistics("felt", statistics)
    info = store.info()
    store.optimize()
    same_libraries(store, oracle)
    store.close()
    again = opener()
    assert again.info() == info
    same_libraries(again, oracle)
    again.write([record(4)])
    assert again.count() == 20


def test_closing_twice_is_harmless_and_ends_everything(opener):
    store = opener()
    store.declare(SPACES, FIELDS)
    store.write([record(1)])
    store.flush()
    store.close()
    store.close()
    for call in (store.count, store.info, lambda: store.write([record(2)])):
        with pytest.raises(StoreError):
            call()
