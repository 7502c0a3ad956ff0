"""kill -9 at any instant: nothing acknowledged is lost, nothing is left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from retrieval.core.errors import StoreError
from retrieval.store.owner import OwnerStore
from tests.store.owners import Work, build, generations, store_processes, track, wait_for

HELD = 60


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return build(tmp_path_factory.mktemp("template") / "music", HELD)


@pytest.fixture
def root(template, tmp_path):
    """A closed library of 60 tracks."""
    return shutil.copytree(template, tmp_path / "music")


@pytest.fixture
def store(root):
    opened = OwnerStore(root)
    yield opened
    opened.close()


def patiently(call):
    """Call again for as long as the store says that it is restarting."""

    def attempt():
        try:
            return (call(),)
        except StoreError as error:
            assert error.reason == "STORE_UNAVAILABLE"
            return None

    return wait_for(attempt)[0]


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def builder(store):
    """The process that optimises the copy; not the owner, nor the owner to be."""

    def find():
        others = [p for p in store_processes() if p.pid != store.pid]
        return [p for p in others if p.nice() == 19]

    return wait_for(find)[0].pid


def intact(root, tracks):
    """Open the library again: all of these are there, and nothing is left over."""
    store = OwnerStore(root)
    try:
        assert len(generations(root)) == 1
        assert not list(root.glob("*.log"))
        found = store.retrieve(list(tracks), segments=True)
        assert [t.id for t in found] == list(tracks)
        assert all(len(t.segments) == 1 for t in found)
        assert {t.id: t.payload["year"] for t in found} == dict(tracks)
    finally:
        store.close()


def test_a_killed_owner_is_unavailable_then_restarted(store):
    killed = store.pid
    kill(killed)
    with pytest.raises(StoreError) as caught:
        while True:
            store.count()
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert patiently(store.count) == HELD
    assert store.pid != killed
    store.write([track(HELD)])
    assert store.count() == HELD + 1


def test_an_owner_that_keeps_dying_stays_down(store, root):
    kill(store.pid)
    wait_for(lambda: store.pid is None)
    wait_for(lambda: store.pid is not None)
    kill(store.pid)
    wait_for(lambda: store.pid is None)
    time.sleep(0.5)
    with pytest.raises(StoreError, match="restart the service"):
        store.count()
    store.close()
    intact(root, {track(n).id: 1900 for n in range(HELD)})


def test_an_owner_killed_in_the_middle_of_writes_keeps_what_it_acknowledged(store, root):
    kept = {track(n).id: 1900 for n in range(HELD)}
    for seed in range(1, 3):
        timer = threading.Timer(random.uniform(0.02, 0.3), kill, [store.pid])
        timer.start()
        number = 0
        with pytest.raises(StoreError):
            while True:
                record = track(number % 40, seed=seed)
                store.write([record])
                kept[record.id] = 1900 + seed
                number += 1
        timer.join()
        # Whether the last write arrived is unknown, so it is made again.
        store.close()
        store = OwnerStore(root)
        store.write([record])
        kept[record.id] = 1900 + seed
    store.close()
    intact(root, kept)


def test_an_optimisation_survives_neither_of_its_processes_but_the_library_does(store, root):
    before = generations(root)
    for victim in (lambda: builder(store), lambda: store.pid):
        work = Work(store.optimize)
        wait_for(lambda: list(root.glob("*.log")))
        kill(victim())
        with pytest.raises(StoreError) as caught:
            work.done()
        assert caught.value.reason == "STORE_UNAVAILABLE"
        assert patiently(store.count) == HELD
        assert generations(root) == before
        assert not list(root.glob("*.log"))
    store.write([track(3, seed=9)])
    store.optimize()
    assert generations(root) != before
    assert store.count() == HELD


PARENT = """
import sys, threading
from pathlib import Path
from retrieval.store.owner import OwnerStore
from tests.store.owners import track

store = OwnerStore(Path(sys.argv[1]))
seed = int(sys.argv[2])
print("pid", store.pid, flush=True)

def optimise():
    while True:
        store.optimize()
        print("optimised", flush=True)

threading.Thread(target=optimise, daemon=True).start()
number = 0
while True:
    record = track(number % 200, seed=seed)
    store.write([record])
    print("wrote", record.id, flush=True)
    number += 1
"""


class Parent:
    """A process that writes and optimises without end, and says what was acknowledged."""

    def __init__(self, root, seed, folder):
        self.path = folder / f"{seed}.txt"
        script = folder / "parent.py"
        script.write_text(PARENT)
        with self.path.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, script, root, str(seed)],
                stdout=out,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )

    def said(self, word):
        return word in self.path.read_text()

    def acknowledged(self):
        lines = self.path.read_text().splitlines()
        ids = [line.split()[1] for line in lines if line.startswith("wrote track-")]
        # The last line may be cut short; whatever stands before it was acknowledged.
        return [track_id for track_id in ids if len(track_id) == len(track(0).id)]

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("word", ["wrote", "optimised"])
def test_a_killed_parent_takes_the_owner_along_and_loses_nothing(root, word, tmp_path):
    """The parent dies at random instants, before the first switch and after it."""
    kept = {track(n).id: 1900 for n in range(HELD)}
    for seed in (1, 2):
        parent = Parent(root, seed, tmp_path)
        try:
            wait_for(lambda parent=parent: parent.said(word), 60)
            time.sleep(random.uniform(0, 1.0))
            children = store_processes(parent.process.pid)
        finally:
            parent.kill()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive, "a store process outlived its parent"
        kept |= dict.fromkeys(parent.acknowledged(), 1900 + seed)
        store = OwnerStore(root)
        found = store.retrieve([track(n).id for n in range(200)])
        store.close()
        years = {t.id: t.payload["year"] for t in found}
        # One write may have arrived without being acknowledged.
        unsaid = [i for i in years if years[i] != kept.get(i)]
        assert set(kept) <= set(years)
        assert len(unsaid) <= 1
        assert all(years[i] == 1900 + seed for i in unsaid)
        kept = years
    intact(root, kept)


def test_interrupting_the_parent_lets_it_finish_with_its_owner(root, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from retrieval.store.owner import OwnerStore\n"
        "store = OwnerStore(Path(sys.argv[1]))\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(0.2)\n"
        "    print('count', store.count(), flush=True)\n"
        "    store.close()\n"
        "    print('closed', flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, script, root], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout.readline() == "ready\n"
    os.killpg(parent.pid, signal.SIGINT)  # as the terminal does
    assert parent.communicate(timeout=60)[0] == f"count {HELD}\nclosed\n"
    assert parent.returncode == 0
