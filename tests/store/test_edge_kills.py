"""kill -9 at every step of a write: what was acknowledged survives, and nothing is left half."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.spaces import Level
from retrieval.core.tracks import TrackUpdate
from retrieval.store.edge import EdgeStore
from retrieval.store.journal import Intent, decode, encode
from retrieval.store.protocol import records
from tests.store.agreement import same_libraries, same_records
from tests.store.library import COSINE, FIELDS, SPACES, SPARSE, record, sparse
from tests.store.oracle import OracleStore
from tests.store.steps import ACTIONS

BEFORE = [record(n, segments=4) for n in range(6)]


def begun(store, spaces=SPACES):
    store.declare(spaces, FIELDS)
    held = {s.name for s in spaces}

    def kept(vectors):
        return {k: v for k, v in vectors.items() if k in held}

    store.write(
        [
            replace(
                r,
                vectors=kept(r.vectors),
                segments=tuple(replace(s, vectors=kept(s.vectors)) for s in r.segments),
            )
            for r in BEFORE
        ]
    )


FAST = sorted({*ACTIONS} - {"create", "renew"})


@pytest.mark.parametrize("action", [*FAST, pytest.param("renew", marks=pytest.mark.slow)])
def test_a_killed_change_happened_wholly_or_not_at_all(tmp_path, action):
    spaces = (COSINE, SPARSE) if action == "widen" else SPACES
    old, new = OracleStore(), OracleStore()
    for oracle in (old, new):
        begun(oracle, spaces)
    ACTIONS[action](new)
    store = EdgeStore(tmp_path / "start")
    begun(store, spaces)
    store.close()
    outcomes = set()
    stride = {"widen": 13, "renew": 2}.get(action, 1)
    steps = (*range(3), *range(3, 1000, stride))
    for step in steps:
        folder = tmp_path / f"step{step}"
        sparse_copy(tmp_path / "start", folder)
        acknowledged = killed(folder, step, action)
        store = EdgeStore(folder)
        assert not (folder / "pending.npz").exists()
        happened = differs(store, action)
        assert happened or not acknowledged
        outcomes.add(happened)
        same_libraries(store, new if happened else old)
        ACTIONS[action](store)
        same_libraries(store, new)
        store.close()
        shutil.rmtree(folder)
        if acknowledged:
            break
    assert acknowledged
    assert outcomes == {False, True}


def killed(folder, step, action):
    """Run the action in a process that dies at the step; True if it got to the end before."""
    command = [sys.executable, "-m", "tests.store.steps", str(folder), str(step), action]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return "done" in ended.stdout


RENEWER = """
import os, sys
from pathlib import Path
from retrieval.store.edge import EdgeStore
from tests.store.library import record
from tests.store.steps import renew
store = EdgeStore(Path(sys.argv[1]))
store.write([record(n, segments=2) for n in range(20, 24)])
renew(store)
os.kill(os.getpid(), 9)
"""


def test_tracks_written_right_before_a_space_is_replaced_survive_a_kill(tmp_path):
    store, oracle = EdgeStore(tmp_path), OracleStore()
    for each in (store, oracle):
        begun(each)
    store.close()
    subprocess.run([sys.executable, "-c", RENEWER, str(tmp_path)], check=False)
    oracle.write([record(n, segments=2) for n in range(20, 24)])
    ACTIONS["renew"](oracle)
    store = EdgeStore(tmp_path)
    assert store.info().spaces["half"].dim == 12
    assert store.count() == 10
    same_libraries(store, oracle)
    store.close()


def differs(store, action):
    info = store.info()
    match action:
        case "rewrite":
            return bool(store.retrieve(["track-7"]))
        case "change":
            return store.retrieve(["track-1"])[0].payload == {"title": "x"}
        case "delete":
            return not store.retrieve(["track-1"])
        case "widen":
            return "rating" in info.fields
        case "renew":
            assert info.spaces["half"].revision == info.spaces["sound"].revision
            return info.spaces["half"].revision == "r2"
        case "freeze":
            return bool(info.statistics)
    raise AssertionError(action)


def sparse_copy(source, target):
    # The engine reserves files of many megabytes; a plain copy would write all the zeros.
    subprocess.run(["cp", "-r", "--sparse=always", str(source), str(target)], check=True)


def test_a_killed_creation_starts_over(tmp_path):
    for step in (0, 1, 5, 30, 60):
        folder = tmp_path / str(step)
        assert not killed(folder, step, "create")
        store = EdgeStore(folder)
        store.declare(SPACES, FIELDS)
        store.write([record(1)])
        same_records([*records(store)], [record(1)])
        store.close()
        shutil.rmtree(folder)


WRITER = """
import sys
from pathlib import Path
from retrieval.store.edge import EdgeStore
from tests.store.library import *
store = EdgeStore(Path(sys.argv[1]))
for batch in range(int(sys.argv[2]), 10_000):
    store.write([record(batch * 5 + n, segments=3) for n in range(5)])
    print(batch, flush=True)
"""


def test_acknowledged_writes_survive_a_kill_at_any_time(tmp_path):
    store = EdgeStore(tmp_path)
    store.declare(SPACES, FIELDS)
    store.close()
    rng = np.random.default_rng(0)
    acknowledged = -1
    for _ in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(acknowledged + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            acknowledged = int(writer.stdout.readline())
            time.sleep(rng.uniform(0, 0.15))
            writer.kill()
            said = writer.stdout.read().split()
        acknowledged = int(said[-1]) if said else acknowledged
        store = EdgeStore(tmp_path)
        tracks = store.count()
        assert tracks in ((acknowledged + 1) * 5, (acknowledged + 2) * 5)
        assert store.count(level=Level.SEGMENT) == tracks * 3
        found = {r.id: r for r in records(store)}
        assert set(found) == {f"track-{n}" for n in range(tracks)}
        last = record(tracks - 1, segments=3)
        same_records([found[last.id]], [last])
        store.close()


OPTIMIZER = """
import sys
from pathlib import Path
from retrieval.store.edge import EdgeStore
from retrieval.store.tuning import Tuning
store = EdgeStore(Path(sys.argv[1]), Tuning(indexing_kb=50, full_scan_kb=10))
print("open", flush=True)
store.optimize()
print("done", flush=True)
"""


def test_a_killed_optimisation_loses_nothing(tmp_path):
    from retrieval.core.spaces import Distance, EmbeddingSpace
    from retrieval.core.tracks import TrackRecord

    space = EmbeddingSpace("sound", 64, Distance.COSINE, "r1")
    rng = np.random.default_rng(0)
    store = EdgeStore(tmp_path / "start")
    store.declare([space])
    store.write(
        [
            TrackRecord(f"t{n}", {"year": n}, {"sound": rng.normal(size=64).astype(np.float32)})
            for n in range(8000)
        ]
    )
    store.close()
    interrupted = leftovers = 0
    for delay in (0.05, 0.1, 0.2, 0.3, 0.4):
        folder = tmp_path / str(delay)
        sparse_copy(tmp_path / "start", folder)
        command = [sys.executable, "-c", OPTIMIZER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as optimizer:
            assert optimizer.stdout.readline() == "open\n"
            time.sleep(delay)
            optimizer.kill()
            interrupted += "done" not in optimizer.stdout.read()
        leftovers += len([*folder.glob("*/temp_segments/*")])
        store = EdgeStore(folder)
        assert store.count() == store.count_vectors("sound") == 8000
        assert not [*folder.glob("*/temp_segments/*")]
        store.optimize()
        assert store.count() == 8000
        store.close()
        shutil.rmtree(folder)
    assert interrupted


def test_an_intent_survives_its_encoding():
    full = record(7, segments=3)
    intent = Intent(
        declare=None,
        write=(full, record(8, segments=0)),
        update=(TrackUpdate("a", {"genre": ("x",), "year": 3}, {"lexical": sparse()}),),
        delete=("b", "c"),
    )
    again = decode(encode(intent))
    same_records(again.write, intent.write)
    assert again.update[0].payload == {"genre": ("x",), "year": 3}
    assert len(again.update[0].vectors["lexical"]) == 0
    assert again.delete == ("b", "c")
    oracle = OracleStore()
    info = oracle.declare(SPACES, FIELDS)
    assert decode(encode(Intent(declare=info))).declare == info
