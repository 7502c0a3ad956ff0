"""Fitting the statistics of a weighted-Euclidean space."""

from __future__ import annotations

import numpy as np

from retrieval.core.errors import PreconditionError
from retrieval.core.spaces import Distance, EmbeddingSpace, SparseVector, Statistics
from retrieval.core.tracks import LibraryInfo
from retrieval.store.protocol import Store, records

STD_FLOOR = 1e-6


def statistics_space(info: LibraryInfo, name: str) -> EmbeddingSpace:
    """The space of this name, if it keeps statistics.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE.
    """
    space = info.spaces.get(name)
    fitting = sorted(
        s.name for s in info.spaces.values() if s.distance is Distance.WEIGHTED_EUCLIDEAN
    )
    if space is None or space.name not in fitting:
        problem = "there is no space" if space is None else "no statistics are kept for space"
        raise PreconditionError(
            f"{problem} {name[:80]!r}; statistics are kept for: {', '.join(fitting) or 'none'}",
            reason="SPACE_UNAVAILABLE",
            metadata={"space": name[:80], "spaces": ",".join(sorted(info.spaces))},
        )
    return space


def fit(store: Store, space: EmbeddingSpace) -> Statistics:
    """Population mean and standard deviation of the track vectors a library holds now.

    Vectors are taken in the order of track ids and summed in float64, so that the same library
    gives the same digits in every store. The deviation is at least 1e-6 of the anchor's scale, so
    that a dimension that never varies has a finite weight.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE if fewer than 2 tracks have a vector in the space.
    """
    vectors = {}
    for record in records(store, segments=False):
        vector = record.vectors.get(space.name)
        if vector is not None and not isinstance(vector, SparseVector):
            vectors[record.id] = vector
    if len(vectors) < 2:
        raise PreconditionError(
            f"space {space.name!r} has {len(vectors)} track vectors; statistics need at least 2",
            reason="SPACE_UNAVAILABLE",
            metadata={"space": space.name},
        )
    matrix = np.asarray([vectors[key] for key in sorted(vectors)], dtype=np.float64)
    scale = np.ones(space.dim) if space.anchor is None else np.asarray(space.anchor.scale)
    std = np.maximum(matrix.std(axis=0), STD_FLOOR * scale)
    return Statistics(
        mean=tuple(matrix.mean(axis=0).tolist()), std=tuple(std.tolist()), count=len(vectors)
    )
