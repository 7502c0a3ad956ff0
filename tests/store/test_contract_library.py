"""Over every store: declaring, adding spaces, closing and opening again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.errors import PreconditionError, StoreError
from retrieval.core.filters import (
    Equals,
    TextMatch,
)
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Statistics
from retrieval.core.tracks import TrackUpdate
from retrieval.store.protocol import StoreQuery
from tests.store.agreement import probe, same_libraries, same_ranking
from tests.store.factories import FORGETFUL
from tests.store.library import (
    COSINE,
    DOT,
    FIELDS,
    SPACES,
    SPARSE,
    WEIGHTED,
    record,
)
from tests.store.oracle import OracleStore

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
