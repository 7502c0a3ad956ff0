"""The store in a process of its own: order, errors, locks, and no query waits for a write."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from retrieval.core.errors import InternalError, PreconditionError, StoreError
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Anchor, Distance, EmbeddingSpace, Level, Probe, Statistics
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.owner import SLICE, OwnerStore, _slices
from retrieval.store.owner_link import LinkClosedError, OwnerLink
from retrieval.store.owner_rebuild import FairLock
from retrieval.store.protocol import StoreQuery
from tests.store.owners import Work, build, generations, store_processes, track, wait_for

FELT = EmbeddingSpace(
    "felt", 2, Distance.WEIGHTED_EUCLIDEAN, "r1", anchor=Anchor((0.0, 0.0), (1.0, 1.0)),
    float16=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return build(tmp_path_factory.mktemp("template") / "music", 200)


@pytest.fixture
def root(template, tmp_path):
    """A closed library of 200 tracks."""
    return shutil.copytree(template, tmp_path / "music")


@pytest.fixture
def store(root):
    opened = OwnerStore(root)
    yield opened
    opened.close()


def nearest(store, number):
    query = StoreQuery(Probe("sound", track(number).vectors["sound"]), limit=1)
    return store.search([query])[0][0].track_id


# Reads go first


def test_reads_are_answered_in_the_middle_of_a_write(store):
    work = Work(lambda: store.write([track(n) for n in range(200, 1700)]))
    seen = []
    while work.is_alive():
        seen.append(store.count())
    work.done()
    assert seen == sorted(seen)
    # Had the write gone through in one piece, every answer would be 200 or 1700.
    assert len({count for count in seen if 200 < count < 1700}) > 20
    assert store.count() == 1700


def test_writes_get_their_turn_however_many_questions_there_are(store):
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            nearest(store, 5)

    askers = [Work(ask) for _ in range(6)]
    store.write([track(n) for n in range(200, 300)])
    assert store.count() == 300
    stop.set()
    for asker in askers:
        asker.done()


def test_reads_and_writes_go_on_during_an_optimisation(store, root):
    first, owner = generations(root), store.pid
    work = Work(store.optimize)
    wait_for(lambda: list(root.glob("*.log")))
    answered = 0
    while work.is_alive() and not answered >= 20:
        assert nearest(store, 7) == "track-000007"
        answered += 1
    assert work.is_alive(), "the optimisation ended before it could be observed"
    # Everything that can be written, written to the side of the copy being optimised.
    store.write([track(n, seed=1) for n in range(190, 260)])
    store.update([TrackUpdate("track-000001", {"title": "Renamed"})])
    assert store.delete(["track-000002", "track-000003", "no-such-track"]) == 2
    store.declare([FELT], [Field("mood", FieldType.KEYWORD)])
    store.declare([replace(FELT, revision="r2")], replacing=["felt"])
    statistics = Statistics((1.0, 2.0), (3.0, 4.0), 5)
    store.set_statistics("felt", statistics)
    store.write([TrackRecord("felt-1", {"mood": "calm"}, {"felt": np.array([1, 2], np.float32)})])
    in_time = work.is_alive()
    info = store.info()
    work.done()
    assert in_time, "the optimisation ended before the writes did"
    assert generations(root) != first
    assert len(generations(root)) == 1
    assert store.pid != owner

    def check(store):
        assert store.info() == info
        assert store.info().statistics == {"felt": statistics}
        assert store.count() == 259
        assert store.count(level=Level.SEGMENT) == 258
        found = store.retrieve(
            ["track-000001", "track-000002", "track-000195", "track-000259", "felt-1"],
            vectors=True,
            segments=True,
        )
        assert [t.id for t in found] == ["track-000001", "track-000195", "track-000259", "felt-1"]
        assert found[0].payload == {"title": "Renamed"}
        assert found[1].payload["year"] == 1901
        assert found[3].vectors["felt"].tolist() == [1.0, 2.0]
        assert len(found[2].segments) == 1
        assert nearest(store, 7) == "track-000007"

    check(store)
    store.close()
    again = OwnerStore(root)
    check(again)
    again.close()


def test_no_read_fails_while_owners_are_exchanged(store):
    stop = threading.Event()
    answers = []

    def ask():
        while not stop.is_set():
            assert nearest(store, 11) == "track-000011"
            answers.append(store.count())

    askers = [Work(ask) for _ in range(4)]
    for n in range(2):
        store.write([track(300 + n)])
        store.optimize()
    stop.set()
    for asker in askers:
        asker.done()
    assert set(answers) <= {200, 201, 202}
    assert len(answers) > 100


def test_an_optimised_library_is_not_optimised_again(store, root):
    store.optimize()
    before = generations(root)
    store.optimize()
    assert generations(root) == before
    store.write([track(1, seed=3)])
    store.optimize()
    assert generations(root) != before


def test_two_optimisations_at_once_are_one_after_the_other(store, root):
    works = [Work(store.optimize) for _ in range(3)]
    for work in works:
        work.done()
    assert len(generations(root)) == 1
    assert store.count() == 200


def test_writers_do_not_overtake_themselves(store):
    """Several threads, each rewriting its own tracks in order: the last word stays."""

    def rewrite(own):
        for seed in range(1, 6):
            store.write([track(n, seed=seed) for n in own])

    works = [Work(lambda own=own: rewrite(own)) for own in (range(50), range(50, 100))]
    for work in works:
        work.done()
    years = {t.payload["year"] for t in store.retrieve([track(n).id for n in range(100)])}
    assert years == {1905}


@pytest.mark.parametrize("counts", [[], [1], [3, 3, 3], [100, 1, 1], [1] * 30, [8, 8], [9]])
def test_slices_keep_order_and_stay_small(counts):
    items = list(range(len(counts)))
    parts = list(_slices(items, counts))
    assert [item for part in parts for item in part] == items
    for part in parts:
        assert len(part) == 1 or sum(counts[item] for item in part) <= SLICE


def test_the_fair_lock_serves_in_order_of_arrival():
    lock, order = FairLock(), []

    def take(number):
        with lock:
            order.append(number)

    with lock:
        works = []
        for number in range(5):
            works.append(Work(lambda number=number: take(number)))
            wait_for(lambda: len(lock._waiting) == len(works))
    for work in works:
        work.done()
    assert order == [0, 1, 2, 3, 4]


# Errors, locks, ends


def test_errors_cross_the_pipe_with_their_reason(store, tmp_path):
    empty = OwnerStore(tmp_path / "empty")
    with pytest.raises(PreconditionError) as caught:
        empty.search([StoreQuery(Probe("sound", np.ones(16, np.float32)))])
    assert caught.value.reason == "LIBRARY_MISSING"
    empty.close()
    with pytest.raises(PreconditionError) as caught:
        store.search([StoreQuery(Probe("nowhere", np.ones(16, np.float32)))])
    assert caught.value.metadata == {"spaces": "sound"}


def test_a_defect_in_the_owner_is_told_and_survived(tmp_path):
    link = OwnerLink()
    with pytest.raises(InternalError, match="before it opened"):
        link.call("count")
    with pytest.raises(InternalError, match="FileNotFoundError") as caught:
        link.call("copy", tmp_path / "nowhere", tmp_path / "elsewhere")
    assert "Traceback" in caught.value.__notes__[0]
    assert link.ask("hello") == link.pid
    assert link.end() == 0
    with pytest.raises(LinkClosedError):
        link.ask("hello")


def test_an_owner_that_cannot_open_says_why(root):
    (generation,) = [p for p in root.iterdir() if p.name.startswith("g-")]
    (generation / "library.json").write_text("{")
    with pytest.raises(StoreError) as caught:
        OwnerStore(root)
    assert caught.value.reason == "STORE_CORRUPT"
    assert store_processes() == []


@pytest.mark.parametrize("service", [False, True])
def test_a_library_that_is_open_is_locked(root, service):
    settings = Settings(data_dir=root.parent, library=root.name)
    store = open_store(settings, service=True)
    with pytest.raises(StoreError) as caught:
        open_store(settings, service=service)
    assert caught.value.reason == "STORE_LOCKED"
    assert str(os.getpid()) in caught.value.message
    store.close()
    open_store(settings, service=service).close()


def test_what_one_process_wrote_the_owner_serves(root):
    settings = Settings(data_dir=root.parent, library=root.name)
    alone = open_store(settings)
    alone.write([track(n) for n in range(200, 220)])
    alone.close()
    served = open_store(settings, service=True)
    assert served.count() == 220
    served.optimize()
    served.close()
    alone = open_store(settings)
    assert alone.count() == 220
    alone.close()


def test_leftovers_are_removed_and_other_files_are_not(root):
    (root / "g-0123456789ab").mkdir()
    (root / "g-0123456789ab" / "half.bin").write_bytes(b"x")
    (root / "g-0123456789ab.log").write_bytes(b"x")
    (root / "CURRENT.12345678").write_text("g-0123456789ab")
    (root / "manifest.sqlite").write_bytes(b"not ours")
    store = OwnerStore(root)
    assert len(generations(root)) == 1
    assert sorted(p.name for p in root.iterdir() if not p.name.startswith("g-")) == [
        "CURRENT", "lock", "manifest.sqlite",
    ]  # fmt: skip
    assert store.count() == 200
    store.close()


def test_a_pointer_to_nothing_is_corrupt(root):
    (root / "CURRENT").write_text("g-gone\n")
    with pytest.raises(StoreError) as caught:
        OwnerStore(root)
    assert caught.value.reason == "STORE_CORRUPT"
    (root / "CURRENT").write_text("../outside\n")
    with pytest.raises(StoreError):
        OwnerStore(root)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_owner_leaves_signals_to_its_parent(store, signal_):
    os.kill(store.pid, signal_)
    time.sleep(0.05)
    assert nearest(store, 3) == "track-000003"


def test_the_owner_is_out_of_reach_of_the_terminal(store):
    assert os.getsid(store.pid) != os.getsid(os.getpid())


def test_closing_is_idempotent_and_ends_the_process(store):
    process = psutil.Process(store.pid)
    store.close()
    store.close()
    assert not process.is_running()
    for call in (store.count, store.info, store.optimize, lambda: store.write([track(1)])):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_closing_stops_an_optimisation(store, root):
    before = generations(root)
    work = Work(store.optimize)
    wait_for(lambda: list(root.glob("*.log")))
    store.close()
    with pytest.raises(StoreError):
        work.done()
    assert store_processes() == []
    assert generations(root) == before


def test_questions_are_answered_in_the_middle_of_a_long_track(store):
    rng = np.random.default_rng(1)
    parts = tuple(
        SegmentRecord(Span(k, k + 5.0), {"sound": rng.normal(size=16).astype(np.float32)})
        for k in range(1200)
    )
    work = Work(lambda: store.write([TrackRecord("mix", {"title": "Mix"}, {}, parts)]))
    seen = set()
    while work.is_alive():
        seen.add(store.count(level=Level.SEGMENT))
    work.done()
    assert len([count for count in seen if 200 < count < 1400]) > 10
    (found,) = store.retrieve(["mix"], segments=True)
    assert len(found.segments) == 1200
