"""The nearest rows of a plain table, by brute force: the originating matcher."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import Metric, Scaling, VideoQuery
from retrieval.core.spaces import Anchor, Distance, EmbeddingSpace
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.search.statistics import STD_FLOOR
from retrieval.search.weights import user_weights

TABLE_SPACE = EmbeddingSpace(
    name="table",
    dim=len(DIMS),
    distance=Distance.WEIGHTED_EUCLIDEAN,
    revision="table",
    anchor=Anchor((0.0,) * len(DIMS), (1.0,) * len(DIMS)),
    dims=DIMS,
    float16=False,
)


def nearest_rows(
    values: NDArray[np.float64], query: VideoQuery, limit: int
) -> list[tuple[int, float]]:
    """Rows and their distances, nearest first, ties by row.

    Standardised distances use the mean and standard deviation of this very table.

    Args:
        values: float64 of shape (rows, 10).
        query: With ``predicted``; its metric, scaling, weights and dims.
        limit: Rows wanted.

    Raises:
        InvalidInputError: A dimension or weight that makes no sense, or a query without direction.
    """
    weights = user_weights(TABLE_SPACE, query, "--")
    wanted = np.asarray(query.predicted, dtype=np.float64)
    about = np.zeros(len(DIMS))
    if query.scaling is Scaling.STANDARDISED:
        weights = weights / np.square(np.maximum(values.std(axis=0), STD_FLOOR))
        about = values.mean(axis=0)
    if query.metric is Metric.EUCLIDEAN:
        distances = np.sqrt(np.square(values - wanted) @ weights)
    else:
        distances = 1.0 - _cosines(values - about, wanted - about, weights)
    order = np.argsort(distances, kind="stable")[:limit]
    return [(int(row), float(distances[row])) for row in order]


def _cosines(
    rows: NDArray[np.float64], ray: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    length = float(np.sqrt(np.square(ray) @ weights))
    if length == 0.0:
        raise InvalidInputError(
            "--pred: the prediction has no direction to compare", reason="INVALID_VECTOR"
        )
    lengths = np.sqrt(np.square(rows) @ weights) * length
    products = rows @ (weights * ray)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.clip(cosines, -1.0, 1.0)
