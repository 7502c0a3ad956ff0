"""A library moves between stores and stays the same."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.errors import PreconditionError, StoreError
from retrieval.core.filters import Equals, Range
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Probe, Statistics
from retrieval.core.tracks import TrackUpdate
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.copy import PAGE, copy_library
from retrieval.store.protocol import StoreQuery, records
from retrieval.store.server import ServerStore
from tests.store.library import FIELDS, SPACES, WEIGHTED, dense, felt, record, sparse

TRACKS = 150


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    store = open_store(Settings(data_dir=tmp_path_factory.mktemp("source")))
    store.declare(SPACES, FIELDS)
    store.write([record(n) for n in range(TRACKS)])
    store.set_statistics("felt", Statistics((1.0,) * 4, (0.1, 0.2, 0.3, 1 / 3), 99))
    yield store
    store.close()


@pytest.fixture
def empty(tmp_path):
    store = open_store(Settings(data_dir=tmp_path))
    yield store
    store.close()


def same(a, b, spaces=SPACES, *, relative=1e-6):
    """Equal records, vectors too: up to float32 of cosine vectors, which keep their direction."""
    theirs = {r.id: r for r in records(b)}
    assert sorted(theirs) == sorted(r.id for r in records(a))
    for mine in records(a):
        other = theirs[mine.id]
        assert mine.payload == other.payload
        same_vectors(mine.vectors, other.vectors, relative)
        assert [s.span for s in mine.segments] == [s.span for s in other.segments]
        for one, two in zip(mine.segments, other.segments, strict=True):
            same_vectors(one.vectors, two.vectors, relative)


def same_vectors(a, b, relative):
    assert set(a) == set(b)
    for name, vector in a.items():
        if name == "lexical":
            assert vector.indices.tolist() == b[name].indices.tolist()
            np.testing.assert_allclose(vector.values, b[name].values, rtol=1e-6)
        elif name == "half":
            np.testing.assert_allclose(vector, b[name], atol=1e-3)
        else:
            # relative to the vector: an element near 0 has no digits of its own
            size = np.abs(vector).max()
            np.testing.assert_allclose(vector, b[name], rtol=relative, atol=relative * size)


def answers(store):
    rng = np.random.default_rng(5)
    weights = rng.uniform(0, 2, 4)
    queries = [
        StoreQuery(Probe("sound", dense(rng, 8)), limit=20, payload=None),
        StoreQuery(Probe("felt", felt(rng), weights), limit=20, filter=Range("year", gte=1990)),
        StoreQuery(Probe("felt", felt(rng)), level=Level.SEGMENT, limit=8, per_track=2),
        StoreQuery(Probe("lexical", sparse((1, 1.0), (7, 2.0))), limit=20),
        StoreQuery(Probe("sound", dense(rng, 8)), limit=9, filter=Equals("genre", "Jazz")),
    ]
    return store.search(queries)


def same_answers(a, b):
    for mine, theirs in zip(answers(a), answers(b), strict=True):
        assert [(m.track_id, m.span) for m in mine] == [(m.track_id, m.span) for m in theirs]
        assert [m.score for m in mine] == pytest.approx([m.score for m in theirs], abs=1e-4)
        assert [m.payload for m in mine] == [m.payload for m in theirs]


def test_edge_to_server_to_edge_is_the_same_library(source, empty):
    server = ServerStore.in_memory()
    assert copy_library(source, server) == TRACKS
    same(source, server)
    same_answers(source, server)
    assert copy_library(server, empty) == TRACKS
    same(source, empty)
    same_answers(source, empty)
    for store in (server, empty):
        info, original = store.info(), source.info()
        assert info.spaces == original.spaces
        assert info.fields == original.fields
        assert info.statistics == original.statistics
        assert info.id != original.id
        assert store.count(level=Level.SEGMENT) == source.count(level=Level.SEGMENT)
    server.close()


def test_a_copy_that_was_cut_short_is_completed(source):
    target = ServerStore.in_memory()

    class CutError(Exception):
        pass

    def cut(done, total):
        assert total == TRACKS
        if done >= PAGE:
            raise CutError

    with pytest.raises(CutError):
        copy_library(source, target, cut)
    assert target.count() == PAGE
    told = []
    assert copy_library(source, target, lambda done, total: told.append((done, total))) == TRACKS
    assert told[0] == (0, TRACKS)
    assert told[-1] == (TRACKS, TRACKS)
    assert told == sorted(told)
    same(source, target)
    target.close()


def test_a_second_copy_changes_nothing_and_a_later_one_follows_the_source(source):
    target = ServerStore.in_memory()
    copy_library(source, target)
    known = target.info()
    copy_library(source, target)
    assert target.info() == known
    target.update([TrackUpdate("track-3", {"title": "changed in the copy"})])
    copy_library(source, target)
    same(source, target)
    target.close()


OTHER = EmbeddingSpace("sound", 8, Distance.COSINE, "r2", levels=frozenset(Level), float16=False)
EXTRA = EmbeddingSpace("extra", 3, Distance.COSINE, "r1")


@pytest.mark.parametrize(
    ("spaces", "fields", "reason", "names"),
    [
        ([OTHER], (), "REVISION_MISMATCH", "sound"),
        ([EXTRA], (), "TARGET_NOT_EMPTY", "extra"),
        ([WEIGHTED], [Field("mood", FieldType.INTEGER)], "FIELD_TYPE_CONFLICT", "mood"),
    ],
)
def test_a_target_with_another_library_is_refused_untouched(source, spaces, fields, reason, names):
    target = ServerStore.in_memory()
    before = target.declare(spaces, fields)
    with pytest.raises(PreconditionError, match=names) as caught:
        copy_library(source, target)
    assert caught.value.reason == reason
    assert target.info() == before
    assert target.count() == 0
    target.close()


def test_a_target_with_other_tracks_is_refused_untouched(source):
    target = ServerStore.in_memory()
    target.declare(SPACES, FIELDS)
    target.write([record(n) for n in (1, TRACKS + 1)])
    with pytest.raises(PreconditionError, match=f"track-{TRACKS + 1}") as caught:
        copy_library(source, target)
    assert caught.value.reason == "TARGET_NOT_EMPTY"
    assert target.count() == 2
    target.close()


def test_a_source_without_a_library_is_refused(source, empty):
    target = ServerStore.in_memory()
    with pytest.raises(PreconditionError) as caught:
        copy_library(empty, target)
    assert caught.value.reason == "LIBRARY_MISSING"
    target.close()


def test_a_source_that_changes_meanwhile_is_noticed(source):
    target = ServerStore.in_memory()

    def meddle(done, total):
        if done == total:
            target.delete(["track-10"])

    with pytest.raises(StoreError, match="incomplete"):
        copy_library(source, target, meddle)
    target.close()
