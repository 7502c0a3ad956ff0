"""Vectors in Qdrant Edge's classes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import qdrant_edge as engine

from retrieval.core.spaces import Distance, EmbeddingSpace, SparseVector, Vector
from retrieval.store.weighted import expand, recover


def encode_vector(space: EmbeddingSpace, vector: Vector) -> Any:
    """A vector as Edge stores it: weighted-Euclidean ones expanded, sparse ones in its class."""
    if isinstance(vector, SparseVector):
        return encode_query(vector)
    if space.distance is Distance.WEIGHTED_EUCLIDEAN:
        vector = expand(space, vector)
    return np.asarray(vector, dtype=np.float32).tolist()


def encode_query(vector: Vector) -> Any:
    """A query vector, already expanded where that is needed."""
    if isinstance(vector, SparseVector):
        return engine.SparseVector(vector.indices.tolist(), vector.values.tolist())
    return np.asarray(vector, dtype=np.float32).tolist()


def encode_vectors(
    spaces: Mapping[str, EmbeddingSpace], vectors: Mapping[str, Vector]
) -> dict[str, Any]:
    """The vectors of a point by space; an empty sparse one is none at all."""
    return {
        name: encode_vector(spaces[name], vector)
        for name, vector in vectors.items()
        if not is_empty(vector)
    }


def decode_vectors(spaces: Mapping[str, EmbeddingSpace], stored: Any) -> dict[str, Vector]:
    """The vectors of a point in their spaces' own units, by space.

    Cosine vectors come back with length 1: the engine keeps their direction only.
    """
    found: dict[str, Vector] = {}
    for name, value in (stored or {}).items():
        space = spaces.get(name)
        if space is None:
            continue
        if isinstance(value, engine.SparseVector):
            indices = np.asarray(value.indices, dtype=np.uint32)
            values = np.asarray(value.values, dtype=np.float32)
            by_index = np.argsort(indices, kind="stable")
            found[name] = SparseVector(indices[by_index], values[by_index])
        elif space.distance is Distance.WEIGHTED_EUCLIDEAN:
            found[name] = recover(space, np.asarray(value, dtype=np.float32))
        else:
            found[name] = np.asarray(value, dtype=np.float32)
    return found


def is_empty(vector: Vector) -> bool:
    """Whether this is a sparse vector without terms, which engines do not store."""
    return isinstance(vector, SparseVector) and len(vector) == 0
