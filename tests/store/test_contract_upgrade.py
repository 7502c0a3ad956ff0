"""Over every store: a space that becomes one of another revision loses its vectors, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import Distance, Level, Probe, Statistics
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.store import server
from retrieval.store.protocol import StoreQuery
from tests.store.agreement import probe, same_libraries, same_ranking
from tests.store.factories import FORGETFUL
from tests.store.library import (
    COSINE,
    DOT,
    FIELDS,
    HALF,
    SPACES,
    SPARSE,
    WEIGHTED,
    dense,
    record,
    sparse,
)
from tests.store.oracle import OracleStore

ONLY = frozenset({Level.TRACK})
WIDER = replace(COSINE, revision="r2", dim=12)
RENEWED = (
    replace(COSINE, revision="r2"),
    replace(HALF, revision="r2", dim=24),
    replace(WEIGHTED, revision="r2", levels=ONLY),
    replace(SPARSE, revision="r2"),
)
NAMES = [space.name for space in RENEWED]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No other process asks these libraries, so none has to hear of a change first."""
    monkeypatch.setattr(server, "OTHERS_KNOW", 0.0)


@pytest.fixture
def both(opener):
    store, oracle = opener(), OracleStore()
    for each in (store, oracle):
        each.declare(SPACES, FIELDS)
        each.write([record(n, segments=2) for n in range(12)])
        each.set_statistics("felt", Statistics((0.0,) * 4, (1.0,) * 4, 12))
    return store, oracle


def test_a_replaced_space_is_empty_and_all_else_stays(name, opener, both):
    store, oracle = both
    before = store.info()
    for each in both:
        each.declare(RENEWED, replacing=NAMES)
    info = store.info()
    assert info.id == before.id
    assert info.fields == before.fields
    assert info.spaces == {**before.spaces, **{space.name: space for space in RENEWED}}
    assert info.statistics == {}
    assert [store.count_vectors(one) for one in NAMES] == [0] * 4
    assert store.count_vectors("dot") == oracle.count_vectors("dot") > 0
    same_libraries(store, oracle)
    ask = StoreQuery(Probe("half", np.ones(24, np.float32)), limit=5)
    assert store.search([ask]) == ((),)
    if name not in FORGETFUL:
        store.close()
        again = opener()
        assert again.info() == info
        same_libraries(again, oracle)


def test_a_replaced_space_answers_from_what_was_written_since(both):
    store, oracle = both
    rng = np.random.default_rng(5)
    parts = (SegmentRecord(Span(0.0, 10.0), {"sound": dense(rng, 12)}),)
    fresh = [
        TrackRecord(f"track-{n}", {"title": "again"}, {"sound": dense(rng, 12)}, parts)
        for n in range(3, 6)
    ]
    for each in both:
        each.declare([WIDER, replace(SPARSE, revision="r2")], replacing=["sound", "lexical"])
        each.write(fresh)
        each.update([TrackUpdate("track-9", {"title": "x"}, {"lexical": sparse((4, 1.0))})])
    assert store.count_vectors("sound") == 3
    assert store.count_vectors("lexical") == 1
    for level in Level:
        query = StoreQuery(probe(WIDER, rng), level, limit=40)
        same_ranking(store.search([query])[0], oracle.search([query])[0])
    store.optimize()
    query = StoreQuery(probe(WIDER, rng), limit=40)
    same_ranking(store.search([query])[0], oracle.search([query])[0])
    with pytest.raises(InvalidInputError) as caught:
        store.write([record(1)])  # eight dimensions: of the old revision
    assert caught.value.reason == "INVALID_VECTOR"


def test_only_what_is_named_and_differs_is_replaced(both):
    store, oracle = both
    info = store.info()
    assert store.declare(SPACES, replacing=[*NAMES, "dot", "nowhere"]) == info
    with pytest.raises(PreconditionError) as caught:
        store.declare([WIDER, replace(DOT, revision="r2")], replacing=["sound"])
    assert caught.value.reason == "REVISION_MISMATCH"
    assert caught.value.metadata["spaces"] == "dot"
    assert "segue index --upgrade" in caught.value.message
    assert store.info() == info
    same_libraries(store, oracle)


def test_a_space_can_be_replaced_again_and_gain_a_level(both):
    store, oracle = both
    other = replace(HALF, revision="r3", levels=frozenset(Level), distance=Distance.DOT)
    for each in both:
        each.declare([replace(HALF, revision="r2", dim=3)], replacing=["half"])
        each.declare([other], replacing=["half"])
        vectors = {"half": np.ones(16, np.float32)}
        each.write([TrackRecord("new", {}, vectors, (SegmentRecord(Span(0.0, 1.0), vectors),))])
    for level in Level:
        query = StoreQuery(Probe("half", np.ones(16, np.float32)), level, limit=5)
        assert [match.track_id for match in store.search([query])[0]] == ["new"]
    same_libraries(store, oracle)


class CutError(Exception):
    pass


@pytest.mark.parametrize("method", ["delete_vector_name", "create_vector_name"])
def test_a_replacement_that_is_cut_short_on_a_server_never_mixes_revisions(monkeypatch, method):
    store = server.ServerStore.in_memory()
    store.declare(SPACES, FIELDS)
    store.write([record(n, segments=2) for n in range(6)])
    told, left = store._calls.tell, [1]

    def cut(call, *args, **kwargs):
        if call.__name__ == method:
            left[0] -= 1
            if left[0] < 0:
                raise CutError
        return told(call, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(store._calls, "tell", cut)
        with pytest.raises(CutError):
            store.declare([replace(COSINE, revision="r2")], replacing=["sound"])
    assert "sound" not in store.info().spaces
    rng = np.random.default_rng(1)
    assert len(store.search([StoreQuery(probe(DOT, rng), limit=3)])[0]) == 3
    store.declare([replace(COSINE, revision="r2")])
    assert store.count_vectors("sound") == 0
    assert store.count() == 6
    asked = [StoreQuery(probe(COSINE, rng), level, limit=9) for level in Level]
    assert store.search(asked) == ((), ())
    store.close()
