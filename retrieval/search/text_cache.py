"""Vectors of texts that were asked before."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np

from retrieval.core.spaces import EmbeddingSpace, SparseVector, Vector

DEFAULT_ENTRIES = 1024
"""About 3 MB of CLAMP3 vectors, and at most 16 MB of the longest texts."""


class TextCache:
    """The vectors least recently asked for go first. Safe from several threads."""

    def __init__(self, entries: int = DEFAULT_ENTRIES) -> None:
        """Start empty.

        Args:
            entries: Vectors kept at most, over all spaces; 0 keeps none.
        """
        self._entries = entries
        self._lock = Lock()
        self._held: OrderedDict[tuple[str, str, str], Vector] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, space: EmbeddingSpace, text: str) -> Vector | None:
        """The vector of exactly this text in this revision of the space, if it is held."""
        key = (space.name, space.revision, text)
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, space: EmbeddingSpace, text: str, vector: Vector) -> None:
        """Hold a vector, which ``frozen`` has made safe to share."""
        with self._lock:
            self._held[space.name, space.revision, text] = vector
            while len(self._held) > self._entries:
                self._held.popitem(last=False)


def frozen(vector: Vector) -> Vector:
    """A copy that nobody can write to, and that keeps no batch of others alive."""
    if isinstance(vector, SparseVector):
        kept = SparseVector(vector.indices.copy(), vector.values.copy())
        kept.indices.setflags(write=False)
        kept.values.setflags(write=False)
        return kept
    dense = np.array(vector, dtype=np.float32)
    dense.setflags(write=False)
    return dense
