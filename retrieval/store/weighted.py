r"""Exact weighted-Euclidean and cosine search on an engine that only knows the inner product.

.. math:: \sum w (q - x)^2 = \sum w q^2 - \langle [2 w q, -w], [x, x^2] \rangle

Points are stored as ``[u, u^2]`` with ``u = (x - centre) / scale``; a query's weights and subsets
live in the probe alone, so that no change of weights or of statistics rewrites a vector. The engine
ranks in float32; the distances are then taken again in float64 from the stored ``u``, and
``WeightedProbe.settles`` says whether the engine's rounding can have hidden a nearer point.

A cosine under arbitrary weights is no inner product of stored vectors. There the engine gives those
whose direction is the query's at all (a positive inner product), and their cosines are computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import Anchor, DenseVector, EmbeddingSpace, Probe

# u^2 of the largest u, and sums of it, must stay finite in float32.
_LARGEST = 1e18
# Points to look at for a cosine: half of a library, and enough for most at once.
_DIRECTED = 1 << 16
_CLEARLY = 1e-3
_SHORTEST = 1e-18
# Relative error of a float32 inner product of n terms that were themselves rounded, per n.
_UNIT = 2.0**-24


def expand(space: EmbeddingSpace, vector: DenseVector) -> DenseVector:
    """The stored form of a vector.

    Args:
        space: A weighted-Euclidean space.
        vector: float32 of shape (dim,), in the space's own units.

    Returns:
        float32 of shape (2 * dim,): ``[u, u^2]``.

    Raises:
        InvalidInputError: INVALID_VECTOR if a value is too far from the anchor for its square.
    """
    u = _units(space, vector)
    return np.concatenate([u, u * u])


def recover(space: EmbeddingSpace, stored: NDArray[np.floating]) -> DenseVector:
    """The vector (dim,) in the space's own units from its stored form (2 * dim,)."""
    anchor = _anchor(space)
    u = np.asarray(stored[: space.dim], dtype=np.float64)
    x = u * np.asarray(anchor.scale) + np.asarray(anchor.centre)
    return np.asarray(x, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class WeightedProbe:
    """A query with its weights, ready for an engine.

    Attributes:
        vector: float32 of shape (2 * dim,), for the engine; higher inner products are nearer.
        u: float64 of shape (dim,), the query in units of the anchor, rounded as stored vectors are,
            so that a track's distance to itself is 0.
        weights: float64 of shape (dim,), per unit of ``u``.
        scale: What ``vector`` was multiplied by to stay within float32.
    """

    vector: DenseVector
    u: NDArray[np.float64]
    weights: NDArray[np.float64]
    scale: float

    def first(self, wanted: int) -> int:
        """How many points to ask the engine for at first."""
        return wanted

    def score(self, distance: float) -> float:
        """Higher is better, and never -0."""
        return 0.0 - distance

    def distances(self, stored: NDArray[np.floating]) -> NDArray[np.float64]:
        """Exact distances (n,) to points in their stored form (n, 2 * dim)."""
        u = np.asarray(stored, dtype=np.float64)[:, : len(self.u)]
        return np.sqrt(np.square(u - self.u) @ self.weights)

    def settles(self, distance: float, last_score: float) -> bool:
        """Whether no point that the engine left out can be as near as ``distance``.

        The engine's inner product of n rounded terms errs by at most ``g * S`` with
        ``g = (n + 4) 2^-24`` (Higham 2002, 3.1) and S the sum of the terms' sizes; with
        ``A = sum w q^2`` and the point's true squared distance d, S <= 5 A + 4 d.

        Args:
            distance: The exact distance of the last point that is wanted.
            last_score: The lowest score the engine returned.
        """
        constant = float(np.square(self.u) @ self.weights)
        error = (len(self.vector) + 4) * _UNIT
        least = constant * (1.0 - 5.0 * error) - last_score / self.scale
        return distance**2 * (1.0 + 4.0 * error) < least


@dataclass(frozen=True, slots=True, eq=False)
class DirectedProbe:
    """A query by cosine; the methods are those of ``WeightedProbe``.

    Attributes:
        vector: float32 of shape (2 * dim,): the engine's score is the inner product of what points
            and query differ from ``origin`` by, less ``constant``, times ``scale``.
        origin: float64 of shape (dim,), in units of the anchor.
        ray: float64 of shape (dim,), from there to the query.
        weights: As in ``WeightedProbe``.
        constant: See ``vector``.
        scale: See ``vector``.
    """

    vector: DenseVector
    origin: NDArray[np.float64]
    ray: NDArray[np.float64]
    weights: NDArray[np.float64]
    constant: float
    scale: float

    def first(self, wanted: int) -> int:
        """How many points to ask the engine for at first."""
        return max(wanted, _DIRECTED)

    def score(self, distance: float) -> float:
        """The cosine."""
        return 1.0 - distance

    def distances(self, stored: NDArray[np.floating]) -> NDArray[np.float64]:
        """1 - cosine (n,) of points in their stored form (n, 2 * dim)."""
        apart = np.asarray(stored, dtype=np.float64)[:, : len(self.ray)] - self.origin
        length = np.sqrt(np.square(apart) @ self.weights)
        length *= np.sqrt(np.square(self.ray) @ self.weights)
        products = apart @ (self.weights * self.ray)
        cosines = np.divide(products, length, out=np.zeros_like(products), where=length > 0)
        return 1.0 - np.clip(cosines, -1.0, 1.0)

    def settles(self, distance: float, last_score: float) -> bool:
        """Whether all points that the engine left out point away from the query, unlike this."""
        return distance < 1.0 - _CLEARLY and last_score / self.scale <= self.constant


def plan(space: EmbeddingSpace, probe: Probe) -> WeightedProbe | DirectedProbe:
    """The engine's side of a probe in a weighted-Euclidean space.

    Raises:
        InvalidInputError: INVALID_VECTOR if the weights do not fit, are negative, not finite or all
            zero, a value is too far from the anchor, or a query by cosine has no direction.
    """
    anchor = _anchor(space)
    if isinstance(probe.vector, np.ndarray):
        u = _units(space, probe.vector).astype(np.float64)
    else:
        raise _bad(f"space {space.name!r} takes a dense vector")
    given = np.ones(space.dim) if probe.weights is None else np.asarray(probe.weights, np.float64)
    if given.shape != (space.dim,):
        raise _bad(f"space {space.name!r} takes {space.dim} weights, got {given.size}")
    if not (np.all(np.isfinite(given)) and np.all(given >= 0) and np.any(given > 0)):
        raise _bad(f"weights in space {space.name!r} must be finite, >= 0 and not all zero")
    # (q - x)^2 = scale^2 (u_q - u_x)^2
    weights = given * np.square(np.asarray(anchor.scale, dtype=np.float64))
    query = np.concatenate([2.0 * weights * u, -weights])
    if probe.about is not None:
        return _directed(space, u, weights, probe.about)
    # Only the order matters to the engine: bring the largest weight to 1, away from float32's ends.
    scale = 1.0 / float(weights.max())
    return WeightedProbe((query * scale).astype(np.float32), u, weights, scale)


def _directed(
    space: EmbeddingSpace,
    u: NDArray[np.float64],
    weights: NDArray[np.float64],
    about: NDArray[np.float64],
) -> DirectedProbe:
    anchor = _anchor(space)
    if about.shape != (space.dim,) or not np.all(np.isfinite(about)):
        raise _bad(f"space {space.name!r} takes {space.dim} finite values to look from")
    origin = (about - np.asarray(anchor.centre)) / np.asarray(anchor.scale)
    ray = u - origin
    direction = weights * ray
    if float(np.square(ray) @ weights) < _SHORTEST:
        raise _bad(f"space {space.name!r}: the query has no direction to compare")
    scale = 1.0 / float(np.abs(direction).max())
    vector = np.concatenate([direction * scale, np.zeros(space.dim)])
    return DirectedProbe(
        vector.astype(np.float32), origin, ray, weights, float(direction @ origin), scale
    )


def _units(space: EmbeddingSpace, vector: DenseVector) -> DenseVector:
    anchor = _anchor(space)
    u = (np.asarray(vector, dtype=np.float64) - np.asarray(anchor.centre)) / anchor.scale
    if np.abs(u).max(initial=0.0) > _LARGEST:
        raise _bad(f"space {space.name!r}: a value is too far from what the space expects")
    return np.asarray(u, dtype=np.float32)


def _anchor(space: EmbeddingSpace) -> Anchor:
    if space.anchor is None:
        raise ValueError(f"space {space.name!r} is not weighted Euclidean")
    return space.anchor


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="INVALID_VECTOR")
