"""Generated filters over generated payloads pass what passes in the reference evaluator."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from retrieval.core import filters as f
from retrieval.core.payload import FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.core.words import words
from tests.store.factories import FACTORIES
from tests.store.library import FIELDS, sparse
from tests.store.oracle import OracleStore, holds, spoken_words

SPACE = EmbeddingSpace("lexical", 0, Distance.DOT, "r1", sparse=True)
IDS = tuple(f"t{n}" for n in range(4))
STEP = timedelta(hours=5, minutes=30)

TEXTS = st.sampled_from(
    [
        "", "Hard Rock", "hard rock", "HARD  jazz", "rock", "soft-rock & jazz", "Café", "cafe",
        "Cafe\u0301 del Mar", "夜の音楽", "音", "Straße", "STRASSE 99", "9", "x² ³", "ﬁn", "don't",
        "नमस्ते दुनिया", "İstanbul", "３ｒｄ", "a_b", "\u0301x", "ไทย",
        "한국 노래",
    ]
) | st.text(max_size=8)  # fmt: skip
KEYWORDS = st.sampled_from(
    [
        "calm",
        "Calm",
        "",
        "1",
        "true",
        "2024-01-01T00:00:00Z",
        "550e8400-e29b-41d4-a716-446655440000",
    ]
)  # fmt: skip
INTEGERS = st.sampled_from([-3, 0, 1, 1999, 2000, 2001, 2**53 - 1, 1 - 2**53])
FLOATS = st.sampled_from(
    [0.0, -0.0, 1, 1.5, 195.76396153397474, 0.1 + 0.2, 1e-30, 123456789.12345678, 1e300, -1.5e300]
)
INSTANTS = st.sampled_from(
    [
        "2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "20240101T000000Z",
        "2023-12-31T23:59:59.999999-05:30", "2024-01-01T00:00:00.000001+00:00",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-07-20T20:17:40.5Z",
        "2024-W01-1T00:00:00+00:00",
    ]
) | st.datetimes(
    datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(STEP)])
).map(datetime.isoformat)  # fmt: skip
VALUES = {
    "title": TEXTS,
    "mood": KEYWORDS,
    "year": INTEGERS,
    "bpm": FLOATS,
    "live": st.booleans(),
    "recorded": INSTANTS,
}
BOUNDS = {
    "year": INTEGERS | st.sampled_from([0.5, 1999.5, -2.5, 1e300, -1e300, 2.0**60]),
    "bpm": FLOATS,
    "recorded": INSTANTS,
}
NAMES = st.sampled_from(sorted(VALUES))


def values_of(name):
    one = VALUES[name]
    return one | st.lists(one, max_size=3).map(tuple)


PAYLOADS = st.fixed_dictionaries({}, optional={name: values_of(name) for name in VALUES})


@st.composite
def ranges(draw):
    name = draw(st.sampled_from(sorted(BOUNDS)))
    kinds = draw(st.sets(st.sampled_from(["gt", "gte", "lt", "lte"]), min_size=1, max_size=3))
    return f.Range(name, **{kind: draw(BOUNDS[name]) for kind in sorted(kinds)})


CONDITIONS = st.one_of(
    NAMES.flatmap(lambda n: VALUES[n].map(lambda v: f.Equals(n, v))),
    NAMES.flatmap(lambda n: st.lists(VALUES[n], max_size=3).map(lambda v: f.AnyOf(n, tuple(v)))),
    NAMES.flatmap(lambda n: st.lists(VALUES[n], max_size=3).map(lambda v: f.NoneOf(n, tuple(v)))),
    ranges(),
    TEXTS.filter(words).map(lambda t: f.TextMatch("title", t)),
    NAMES.map(f.Exists),
    st.lists(st.sampled_from([*IDS, "nobody"]), max_size=3).map(lambda i: f.TrackIds(tuple(i))),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda p: f.All(tuple(p))),
        st.lists(inner, max_size=3).map(lambda p: f.Any(tuple(p))),
        inner.map(f.Not),
    ),
    max_leaves=8,
).filter(lambda node: max(depth for _, depth in f.walk(node)) <= f.MAX_DEPTH)


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def store(request, tmp_path_factory):
    store = FACTORIES[request.param](tmp_path_factory.mktemp("filters"))
    store.declare([SPACE], FIELDS)
    yield store
    store.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    payloads=st.tuples(*[PAYLOADS] * len(IDS)),
    nodes=st.lists(FILTERS, min_size=1, max_size=6),
)
@example(
    payloads=({"title": ("Hard Rock", "Soft Jazz")}, {"title": "hard jazz"}, {}, {"title": ()}),
    nodes=[f.TextMatch("title", "jazz hard"), f.Exists("title"), f.Not(f.Equals("title", "x"))],
)
@example(
    payloads=({"bpm": 195.76396153397474}, {"bpm": 195.763961533974}, {"bpm": 1e300}, {}),
    nodes=[f.Equals("bpm", 195.76396153397474), f.Range("bpm", gt=195.763961533974)],
)
def test_a_filter_means_the_same_everywhere(store, payloads, nodes):
    store.write(
        [
            TrackRecord(i, p, {"lexical": sparse((1, 1.0))}, (SegmentRecord(Span(0, 1), {}),))
            for i, p in zip(IDS, payloads, strict=True)
        ]
    )
    fields = store.info().fields
    for node in nodes:
        f.check_filter(node, fields)
        want = {i for i, p in zip(IDS, payloads, strict=True) if holds(node, i, p, fields)}
        assert {r.id for r in store.scroll(node, limit=10)[0]} == want, node
        assert store.count(node, Level.SEGMENT) == store.count(node) == len(want), node


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(payload=PAYLOADS)
def test_a_payload_comes_back_as_written(store, payload):
    store.write([TrackRecord("t0", payload, {})])
    (got,) = store.retrieve(["t0"])
    fields = store.info().fields

    def kept(name, value):
        some = value if isinstance(value, tuple) else (value,)
        if fields[name].type is FieldType.FLOAT:
            some = tuple(float(f"{v:.15g}") for v in some)
        return some if isinstance(value, tuple) else some[0]

    assert got.payload == {name: kept(name, value) for name, value in payload.items()}


def test_values_stay_what_they_were_after_the_store_rebuilt_its_indexes(store):
    oracle = OracleStore()
    bpms = [195.76396153397474, 0.1 + 0.2, 276.56697368929446, 123456.78901234567, 1e300, 3]
    for each in (store, oracle):
        each.declare([SPACE], FIELDS)
        each.write([TrackRecord(f"t{n}", {"bpm": bpm}, {}) for n, bpm in enumerate(bpms)])
        each.optimize()
    for bpm in bpms:
        for node in (f.Equals("bpm", bpm), f.Range("bpm", gte=bpm), f.Range("bpm", gt=bpm)):
            assert store.count(node) == oracle.count(node), node


def test_the_longest_values_are_found_whole(store):
    long, longer = "夜" * 4095 + "a", "夜" * 4095 + "b"
    many = tuple(f"genre {n}" for n in range(1024))
    store.write(
        [
            TrackRecord("t0", {"title": long, "mood": long, "genre": many}, {}),
            TrackRecord("t1", {"title": longer, "mood": longer, "genre": many[:2]}, {}),
        ]
    )
    for node, want in (
        (f.Equals("title", long), 1),
        (f.AnyOf("mood", (long, longer)), 2),
        (f.TextMatch("title", "夜 b"), 1),
        (f.TextMatch("genre", "1023 genre"), 1),
        (f.TextMatch("genre", "1022 1023"), 0),
        (f.AnyOf("genre", many), 2),
        (f.NoneOf("genre", many[:1]), 0),
    ):
        assert store.count(f.All((node, f.TrackIds(("t0", "t1"))))) == want
    assert len(store.facets("genre", f.TrackIds(("t0",)), limit=5000)) == 1024


@given(st.text())
@example("Cafe\u0301 IM ３. Straße — don't; 夜の音楽々 नमस्ते x²")
@example("a\u0301\u0301 \u0301b ﷺ ǅ ŉ İ")
def test_words_are_those_of_their_definition(text):
    assert set(words(text)) == spoken_words(text)
    assert words(text) == words(unicodedata.normalize("NFD", text)) or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ("hello", "world")),
        ("don't stop-me_now", ("don", "t", "stop", "me", "now")),
        ("CAFÉ cafe\u0301 cafe", ("café", "café", "cafe")),
        ("３ＦＭ", ("3fm",)),
        ("夜の音楽 Tokyo東京2", ("夜", "の", "音", "楽", "tokyo", "東", "京", "2")),
        ("नमस्ते", ("नमस्ते",)),
        ("한국 노래", ("한국", "노래")),
        ("—…!", ()),
        ("", ()),
    ],
)
def test_words(text, expected):
    assert words(text) == expected
