"""What the suites of the owner process share: a small library, and looking at processes."""

from __future__ import annotations

import threading
import time

import numpy as np
import psutil

from retrieval.core.spaces import Distance, EmbeddingSpace, Level
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.store.owner import OwnerStore

SOUND = EmbeddingSpace("sound", 16, Distance.COSINE, "r1", levels=frozenset(Level), float16=False)


def track(number, seed=0):
    rng = np.random.default_rng([number, seed])
    part = SegmentRecord(Span(0.0, 5.0), {"sound": rng.normal(size=16).astype(np.float32)})
    return TrackRecord(
        f"track-{number:06d}",
        {"title": f"Song {number}", "year": 1900 + seed},
        {"sound": rng.normal(size=16).astype(np.float32)},
        (part,),
    )


def build(root, count):
    """Make a library and close it; declaring one costs many small files, so suites copy this."""
    store = OwnerStore(root)
    store.declare([SOUND])
    store.write([track(n) for n in range(count)])
    store.close()
    return root


def store_processes(parent=None):
    """Living store processes below a process, this one by default."""
    found = []
    for child in psutil.Process(parent).children(recursive=True):
        try:
            if "retrieval.store.owner_process" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def wait_for(condition, seconds=30.0):
    """Wait until the condition is true, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return value


def generations(root):
    return sorted(p.name for p in root.iterdir() if p.name.startswith("g-"))


class Work(threading.Thread):
    """A call in another thread, with its error."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call = call
        self.error = None
        self.start()

    def run(self):
        try:
            self.call()
        except BaseException as error:
            self.error = error

    def done(self):
        self.join(60)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
