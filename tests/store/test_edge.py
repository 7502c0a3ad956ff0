"""What only the embedded store has: graphs, a folder, a lock, and leftovers of the killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retrieval.core.errors import StoreError
from retrieval.core.filters import Equals, Not
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Probe
from retrieval.core.tracks import TrackRecord
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.edge import EdgeStore
from retrieval.store.edge_shard import Shard
from retrieval.store.protocol import StoreQuery, records
from retrieval.store.tuning import Tuning
from tests.store.agreement import same_records
from tests.store.library import COSINE, FIELDS, SPACES, record

SPACE = EmbeddingSpace("sound", 64, Distance.COSINE, "r1")


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """12,000 points in 60 clusters, in a library small enough to be scanned but told not to be."""
    rng = np.random.default_rng(4)
    centres = rng.normal(size=(60, 64))
    cluster = rng.integers(60, size=12_000)
    vectors = centres[cluster] + 0.6 * rng.normal(size=(12_000, 64))
    store = EdgeStore(tmp_path_factory.mktemp("graph"), Tuning(indexing_kb=200, full_scan_kb=20))
    store.declare([SPACE])
    for start in range(0, len(vectors), 2000):
        store.write(
            [
                TrackRecord(
                    f"t{n}",
                    {"key": f"c{cluster[n] % 8}"},
                    {"sound": vectors[n].astype(np.float32)},
                )
                for n in range(start, start + 2000)
            ]
        )
    queries = (centres[rng.integers(60, size=60)] + 0.6 * rng.normal(size=(60, 64))).astype("f4")
    yield store, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), cluster % 8, queries
    store.close()


def recall(store, vectors, queries, passing, **options):
    ids = np.flatnonzero(passing)
    found = 0
    asked = [StoreQuery(Probe("sound", q), limit=10, **options) for q in queries]
    for query, got in zip(queries, store.search(asked), strict=True):
        scores = vectors[ids] @ query
        best = {f"t{ids[n]}" for n in np.argsort(-scores)[:10]}
        found += len(best & {m.track_id for m in got})
    return found / len(queries) / 10


def test_a_graph_is_built_and_finds_what_a_scan_finds(clustered):
    store, vectors, key, queries = clustered
    everything = np.ones(len(vectors), bool)
    raw = store._shards[Level.TRACK].raw
    assert not graphs(store)
    store.optimize()
    assert graphs(store)
    assert raw.info().indexed_vectors_count >= len(vectors)
    assert recall(store, vectors, queries, everything) >= 0.95
    # Stored as float16, which can swap neighbours that are closer than its precision.
    assert recall(store, vectors, queries, everything, exact=True) >= 0.995
    for node, passing in (
        (Equals("key", "c3"), key == 3),
        (Not(Equals("key", "c3")), key != 3),
    ):
        assert recall(store, vectors, queries, passing, filter=node) >= 0.95
        assert recall(store, vectors, queries, passing, filter=node, exact=True) >= 0.995


def graphs(store):
    return [*(store.path / "tracks" / "segments").glob("*/vector_index-sound/links*.bin")]


def test_an_exact_scan_misses_nothing(tmp_path):
    rng = np.random.default_rng(6)
    vectors = rng.normal(size=(3000, 32)).astype(np.float32)
    space = EmbeddingSpace("sound", 32, Distance.COSINE, "r1", float16=False)
    store = EdgeStore(tmp_path, Tuning(m=4, ef_construct=8, ef=8, indexing_kb=10, full_scan_kb=1))
    store.declare([space])
    store.write([TrackRecord(f"t{n}", {}, {"sound": v}) for n, v in enumerate(vectors)])
    store.optimize()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries, everything = rng.normal(size=(40, 32)).astype(np.float32), np.ones(3000, bool)
    # The graph is so poor that only a scan can be right.
    assert recall(store, unit, queries, everything) < 0.95
    assert recall(store, unit, queries, everything, exact=True) == 1.0
    store.close()


def test_spaces_that_come_later_get_a_graph_too(tmp_path):
    store = EdgeStore(tmp_path, Tuning(indexing_kb=50, full_scan_kb=10))
    store.declare([COSINE])
    store.declare([EmbeddingSpace("later", 32, Distance.COSINE, "r1")])
    rng = np.random.default_rng(0)
    store.write(
        [
            TrackRecord(f"t{n}", {}, {"later": rng.normal(size=32).astype(np.float32)})
            for n in range(4000)
        ]
    )
    store.optimize()
    links = [*(tmp_path / "tracks" / "segments").glob("*/vector_index-later/links*.bin")]
    store.close()
    assert links


# The folder


def test_a_second_opener_is_told_who_has_the_library(tmp_path):
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings)
    store.declare([COSINE])
    script = (
        "import sys; from pathlib import Path\n"
        "from retrieval.settings import Settings; from retrieval.store import open_store\n"
        "from retrieval.core.errors import StoreError\n"
        "try: open_store(Settings(data_dir=Path(sys.argv[1])))\n"
        "except StoreError as error: print(error.reason, error.message)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("STORE_LOCKED")
    assert f"pid {os.getpid()}" in said
    assert "--address" in said
    with pytest.raises(StoreError) as caught:
        open_store(settings)
    assert caught.value.reason == "STORE_LOCKED"
    store.close()
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_one_folder_is_never_opened_twice(tmp_path):
    store = EdgeStore(tmp_path)
    store.declare([COSINE])
    with pytest.raises(StoreError) as caught:
        EdgeStore(tmp_path)
    assert caught.value.reason == "STORE_LOCKED"
    assert "--address" in caught.value.message
    store.write([TrackRecord("t", {}, {})])
    assert store.count() == 1
    store.close()


def test_leftovers_of_a_killed_optimisation_are_removed(tmp_path):
    store = EdgeStore(tmp_path)
    store.declare(SPACES, FIELDS)
    store.write([record(n) for n in range(20)])
    store.close()
    for shard in ("tracks", "segments"):
        (segment,) = (tmp_path / shard / "segments").iterdir()
        shutil.copytree(segment, tmp_path / shard / "temp_segments" / "segment_builder_x1")
    store = EdgeStore(tmp_path)
    assert store.count() == 20
    assert not [*tmp_path.glob("*/temp_segments/*")]
    store.close()


def test_a_copy_of_the_flushed_folder_is_a_library_of_its_own(tmp_path):
    store = EdgeStore(tmp_path / "one")
    store.declare(SPACES, FIELDS)
    store.write([record(n) for n in range(20)])
    store.flush()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copy = EdgeStore(tmp_path / "two")
    copy.optimize()
    copy.delete(["track-1"])
    assert (store.count(), copy.count()) == (20, 19)
    assert store.info() == copy.info()
    copy.close()
    store.close()


def test_damage_is_named(tmp_path):
    store = EdgeStore(tmp_path)
    store.declare([COSINE])
    store.write([TrackRecord("t", {}, {})])
    store.close()
    description = tmp_path / "library.json"
    good = description.read_text()

    def refused(text):
        with pytest.raises(StoreError) as caught:
            EdgeStore(tmp_path)
        assert caught.value.reason == "STORE_CORRUPT"
        assert text in caught.value.message

    for bad, text in (
        ("{", "library.json"),
        ("[]", "library.json"),
        (json.dumps({**json.loads(good), "format": 99}), "format"),
        (json.dumps({"format": 1}), "description"),
    ):
        description.write_text(bad)
        refused(text)
    description.unlink()
    refused("no library.json")
    description.write_text(good)
    (tmp_path / "segments").rename(tmp_path / "elsewhere")
    refused("segments")
    (tmp_path / "elsewhere").rename(tmp_path / "segments")
    store = EdgeStore(tmp_path)
    assert store.count() == 1
    store.close()


def test_an_unreadable_journal_is_named(tmp_path):
    store = EdgeStore(tmp_path)
    store.declare([COSINE])
    store.close()
    (tmp_path / "pending.npz").write_bytes(b"not an archive")
    with pytest.raises(StoreError) as caught:
        EdgeStore(tmp_path)
    assert "pending.npz" in caught.value.message
    (tmp_path / "pending.npz").unlink()
    EdgeStore(tmp_path).close()


def test_a_write_that_failed_is_finished_before_the_next(tmp_path, monkeypatch):
    store = EdgeStore(tmp_path)
    store.declare(SPACES, FIELDS)
    store.write([record(n, segments=3) for n in range(4)])
    upsert, calls = Shard.upsert, []

    def full_disk(shard, points):
        calls.append(shard.level)
        if shard.level is Level.TRACK:
            raise OSError(28, "No space left on device")
        upsert(shard, points)

    monkeypatch.setattr(Shard, "upsert", full_disk)
    for failed in ([record(1, segments=1, seed=1)], [record(9)]):
        with pytest.raises(StoreError) as caught:
            store.write(failed)
        assert "No space left" in caught.value.message
    monkeypatch.undo()
    store.write([record(5, segments=2)])
    expected = [record(n, segments=3) for n in (0, 2, 3)]
    expected += [record(1, segments=1, seed=1), record(5, segments=2)]
    got = sorted(records(store), key=lambda r: r.id)
    same_records(got, sorted(expected, key=lambda r: r.id))
    assert not (tmp_path / "pending.npz").exists()
    assert calls == [Level.SEGMENT, Level.TRACK] * 2
    store.close()


def test_threads_share_a_store(tmp_path):
    store = EdgeStore(tmp_path)
    store.declare(SPACES, [*FIELDS, Field("worker", FieldType.INTEGER)])
    query = StoreQuery(Probe("sound", np.ones(8, np.float32)), limit=5)

    def work(worker):
        for n in range(10):
            made = record(worker * 100 + n, segments=2)
            store.write([TrackRecord(made.id, {"worker": worker}, made.vectors, made.segments)])
            store.search([query])
            store.facets("worker")
        return store.count(Equals("worker", worker))

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(work, range(8))] == [10] * 8
    assert (store.count(), store.count(level=Level.SEGMENT)) == (80, 160)
    store.close()
