"""Over every store: searches and filters answer what the oracle answers."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError, PreconditionError
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
from retrieval.core.keys import Key
from retrieval.core.payload import Field, FieldType, kept_float
from retrieval.core.progressions import parse_progression, progression_tokens
from retrieval.core.spaces import Level, Probe
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.search.filter_grammar import parse
from retrieval.store.protocol import StoreQuery
from tests.store.agreement import probe, same_ranking
from tests.store.library import (
    COSINE,
    DOT,
    FIELDS,
    HALF,
    MOMENTS,
    SPACES,
    SPARSE,
    TRACKS,
    WEIGHTED,
    dense,
    record,
    sparse,
)
from tests.store.oracle import OracleStore

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


@pytest.fixture
def musical(store):
    """Tracks of every key, of many tempi, with one progression or another."""
    oracle, rng = OracleStore(), np.random.default_rng(3)
    loops = [parse_progression(text) for text in ("I V vi IV I", "I V vi IV", "ii V I", "i iv V")]
    written = []
    for n in range(TRACKS):
        key = Key(n % 12, n % 24 >= 12)
        payload = {
            "bpm": kept_float(rng.uniform(50, 250)),
            **{"key": key.name, "mode": key.mode, "camelot": key.camelot},
            "progressions": progression_tokens([loops[n % 4]]),
        }
        written.append(TrackRecord(f"track-{n}", payload if n % 9 else {}, {}))
    for each in (store, oracle):
        each.declare(SPACES, (*FIELDS, Field("progressions", FieldType.KEYWORD)))
        each.write(written)
    return store, oracle


@pytest.mark.parametrize(
    "text",
    [
        "bpm ~ 118..124",
        "bpm ~ 60 and not bpm ~ 240..250",
        'key = "A# minor"',
        'key in ("Gb", "Am") or key mixes with "Dbm"',
        'not key mixes with "8B" and not key relative of "C"',
        'progressions ~ "I V vi IV"',
        'chords ~ "C G Am F C" and key != "1A"',
    ],
)
def test_what_filters_know_of_music_passes_as_in_the_oracle(musical, text):
    store, oracle = musical
    want = {r.id for r in oracle.scroll(parse(text), limit=TRACKS)[0]}
    assert 0 < len(want) < TRACKS
    assert {r.id for r in store.scroll(parse(text), limit=TRACKS)[0]} == want


def test_filters_that_do_not_fit_are_refused(filled):
    store, _ = filled
    for bad in (Equals("nowhere", 1), Equals("year", "1970"), Range("mood", gt=1)):
        for call in (store.count, store.scroll, lambda f: store.facets("mood", f)):
            with pytest.raises(InvalidInputError) as caught:
                call(bad, limit=5) if call == store.scroll else call(bad)
            assert caught.value.reason == "INVALID_FILTER"
