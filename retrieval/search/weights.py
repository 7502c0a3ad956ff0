"""Per-query weights of weighted-Euclidean spaces: scaling, user weights and subsets of dimensions.

The distance of a space is sqrt(sum w (q - x)^2) in the space's own units. With ``RAW`` scaling w is
what the caller asked for; with ``STANDARDISED`` it is that over the squared standard deviation, so
the same stored vectors serve both, whatever the statistics are at the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import Scaling, VectorQuery, VideoQuery
from retrieval.core.spaces import Distance, EmbeddingSpace, Statistics
from retrieval.core.tracks import LibraryInfo
from retrieval.search.encoding import Encoding

MAX_WEIGHT = 1e6
PRESETS: Mapping[str, tuple[str, ...]] = {"VA": ("arousal", "valence")}


def statistics_of(
    space: EmbeddingSpace, info: LibraryInfo, encoding: Encoding
) -> Statistics | None:
    """The statistics that ``STANDARDISED`` uses: the library's, else the encoder's, else None."""
    frozen = info.statistics.get(space.name)
    return frozen if frozen is not None else encoding.reference(space)


def standard_weights(
    space: EmbeddingSpace, info: LibraryInfo, encoding: Encoding
) -> NDArray[np.float64] | None:
    """Weights that give every dimension the same say: one over its variance.

    Returns:
        float64 of shape (dim,), all positive; None for spaces without weights. Where neither the
        library nor an encoder has statistics, the anchor's scale stands for the deviation.
    """
    if space.distance is not Distance.WEIGHTED_EUCLIDEAN or space.anchor is None:
        return None
    statistics = statistics_of(space, info, encoding)
    std = space.anchor.scale if statistics is None else statistics.std
    weights: NDArray[np.float64] = 1.0 / np.square(np.asarray(std, dtype=np.float64))
    return weights


def query_weights(
    space: EmbeddingSpace,
    query: VectorQuery | VideoQuery,
    info: LibraryInfo,
    encoding: Encoding,
    *,
    where: str,
) -> NDArray[np.float64] | None:
    """The weights a query asks for.

    Args:
        space: The space asked.
        query: Its scaling, weights and dims.
        info: The library, for its statistics.
        encoding: The encoders, for reference statistics.
        where: Prefix with which errors name a part of the query.

    Returns:
        float64 of shape (dim,), >= 0, at least one positive; None for spaces without weights.

    Raises:
        InvalidInputError: A dimension the space does not have, a weight that is negative, not
            finite, beyond 1e6 or of a dimension that is left out, or nothing left to compare; any
            of these settings in a space that is not weighted-Euclidean.
    """
    scale = standard_weights(space, info, encoding)
    if scale is None:
        if query.weights or query.dims or query.scaling is not Scaling.STANDARDISED:
            raise InvalidInputError(
                f"{where}weights: weights, dims and scaling need a weighted-Euclidean space; "
                f"{space.name!r} compares by {space.distance.value}",
                metadata={"field": f"{where}weights", "space": space.name},
            )
        return None
    weights = np.ones(space.dim) if query.scaling is Scaling.RAW else scale
    return weights * user_weights(space, query, where)


def user_weights(
    space: EmbeddingSpace, query: VectorQuery | VideoQuery, where: str
) -> NDArray[np.float64]:
    """What a query weighs each dimension by, 0 for those it leaves out: float64 of shape (dim,).

    Raises:
        InvalidInputError: As ``query_weights``.
    """
    compared = _subset(space, query.dims, f"{where}dims")
    user = compared.astype(np.float64)
    for name, weight in query.weights.items():
        place = _dimension(space, name, f"{where}weights")
        if not (math.isfinite(weight) and 0.0 <= weight <= MAX_WEIGHT):
            raise InvalidInputError(
                f"{where}weights: {name!r} is {weight}; weights lie between 0 and 1e6",
                metadata={"field": f"{where}weights", "dimension": name},
            )
        if not compared[place]:
            raise InvalidInputError(
                f"{where}weights: {name!r} has a weight but is not among the dims to compare",
                metadata={"field": f"{where}weights", "dimension": name},
            )
        user[place] = weight
    if not user.any():
        raise InvalidInputError(
            f"{where}weights: all weights are zero, which leaves nothing to compare",
            metadata={"field": f"{where}weights"},
        )
    return user


def _subset(space: EmbeddingSpace, dims: Sequence[str], where: str) -> NDArray[np.bool_]:
    if not dims:
        return np.ones(space.dim, dtype=np.bool_)
    chosen = np.zeros(space.dim, dtype=np.bool_)
    preset = PRESETS.get(dims[0]) if len(dims) == 1 and dims[0] not in space.dims else None
    for name in preset or dims:
        chosen[_dimension(space, name, where)] = True
    return chosen


def _dimension(space: EmbeddingSpace, name: str, where: str) -> int:
    if name in space.dims:
        return space.dims.index(name)
    if name.isascii() and name.isdigit() and int(name) < space.dim:
        return int(name)
    known = ", ".join(space.dims) if space.dims else f"0 to {space.dim - 1}"
    presets = ", ".join(sorted(p for p, names in PRESETS.items() if set(names) <= set(space.dims)))
    raise InvalidInputError(
        f"{where}: space {space.name!r} has no dimension {name[:80]!r}; it has: {known}"
        + (f" (and the preset {presets})" if presets and where.endswith("dims") else ""),
        metadata={"field": where, "dimension": name[:80], "space": space.name},
    )
