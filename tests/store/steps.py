"""A process that dies at a given step of a change to an embedded library.

``python -m tests.store.steps FOLDER STEP ACTION`` opens the library and kills itself at the STEP-th
thing that it does to the disk: an engine call, or a file that is replaced or removed. If it gets to
the end it says so and kills itself then.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Statistics
from retrieval.core.tracks import TrackUpdate
from retrieval.store import edge_shard
from retrieval.store.edge import EdgeStore
from tests.store.library import COSINE, FIELDS, HALF, SPACES, record, sparse


def create(store):
    store.declare(SPACES, FIELDS)


def rewrite(store):
    store.write([record(n, segments=2, seed=1) for n in range(3, 8)])


def change(store):
    store.update([TrackUpdate("track-1", {"title": "x"}, {"lexical": sparse()})])


def delete(store):
    store.delete(["track-1"])


def widen(store):
    store.declare(SPACES, [Field("rating", FieldType.INTEGER)])


def renew(store):
    others = [replace(HALF, revision="r2", dim=12), replace(COSINE, revision="r2")]
    store.declare(others, replacing=["half", "sound"])


def freeze(store):
    store.set_statistics("felt", Statistics((1.0,) * 4, (2.0,) * 4, 16))


ACTIONS = {
    action.__name__: action for action in (create, rewrite, change, delete, widen, renew, freeze)
}


class _Fuse:
    def __init__(self, steps):
        self.left = steps

    def burn(self):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _Raw:
    """The engine's shard, with a step for every call that changes the disk."""

    def __init__(self, raw, fuse):
        self._raw, self._fuse = raw, fuse

    def __getattr__(self, name):
        if name in ("update", "flush"):
            self._fuse.burn()
        return getattr(self._raw, name)


def main(folder, step, action):
    fuse = _Fuse(int(step))

    def counted(method):
        def call(*args, **kwargs):
            fuse.burn()
            return method(*args, **kwargs)

        return call

    Path.replace = counted(Path.replace)
    Path.unlink = counted(Path.unlink)
    raw = edge_shard.Shard.raw
    edge_shard.Shard.raw = property(lambda shard: _Raw(raw.fget(shard), fuse))
    ACTIONS[action](EdgeStore(Path(folder)))
    print("done", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
