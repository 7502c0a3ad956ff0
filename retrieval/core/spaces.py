"""Embedding spaces and the vectors that live in them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError

SPACE_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,47}\Z")
MAX_DIM = 65_536
MAX_SPACES = 64
"""Of one library; every one of them is a vector of each track."""


class Distance(Enum):
    """How two vectors of a space compare. Scores are always "higher is better"."""

    COSINE = "cosine"
    """score = cosine similarity in [-1, 1]."""
    DOT = "dot"
    """score = inner product. The only distance of sparse spaces (BM25 with IDF)."""
    WEIGHTED_EUCLIDEAN = "weighted_euclidean"
    """distance = sqrt(sum w (q - x)^2) with per-query weights w >= 0; score = -distance, exact."""


class Modality(Enum):
    """What an encoder can turn into a vector of its space."""

    TEXT = "text"
    AUDIO = "audio"
    WORDS = "words"
    """The words that come with a track: its tags and file name."""


class Level(Enum):
    """Whether points are whole tracks or time spans of tracks."""

    TRACK = "track"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A fixed affine map u = (x - centre) / scale that brings a space's values near unit size.

    Weighted-Euclidean spaces are stored as [u, u^2] in float32; without values near one the
    squares would lose the digits that exact distances need. Being fixed, it never needs a rewrite:
    raw and standardised distances differ only in the query's weights.

    Attributes:
        centre: One value per dimension, in the space's own units.
        scale: One positive value per dimension, in the space's own units.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.centre) != len(self.scale) or not all(s > 0 for s in self.scale):
            raise InvalidInputError("anchor needs one centre and one positive scale per dimension")


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """A named vector space. Vectors of different revisions are never compared.

    Attributes:
        name: Lower-case identifier, at most 48 characters.
        dim: Number of dimensions; 0 for a sparse space.
        distance: How vectors compare.
        revision: Digest of the model files and of every parameter that changes a vector.
        query_modalities: What a query may be made of (TEXT, AUDIO).
        levels: Where vectors are stored; SEGMENT spaces answer with times.
        sparse: True for term-weight vectors scored by Dot with IDF.
        anchor: Required by, and only for, WEIGHTED_EUCLIDEAN.
        dims: Names of the dimensions where they mean something, else empty.
        float16: Store as float16 rather than float32 (dense cosine/dot only).
    """

    name: str
    dim: int
    distance: Distance
    revision: str
    query_modalities: frozenset[Modality] = frozenset()
    levels: frozenset[Level] = frozenset({Level.TRACK})
    sparse: bool = False
    anchor: Anchor | None = None
    dims: tuple[str, ...] = ()
    float16: bool = True

    def __post_init__(self) -> None:
        if not SPACE_NAME.match(self.name):
            raise InvalidInputError(
                f"space name {self.name!r}: use a-z, 0-9, '_' and '-', at most 48 characters"
            )
        if self.sparse != (self.dim == 0) or not 0 <= self.dim <= MAX_DIM:
            raise InvalidInputError(f"space {self.name!r}: dim is 0 exactly for sparse spaces")
        if (self.distance is Distance.WEIGHTED_EUCLIDEAN) != (self.anchor is not None):
            raise InvalidInputError(f"space {self.name!r}: weighted Euclidean needs an anchor")
        if self.anchor is not None and len(self.anchor.centre) != self.dim:
            raise InvalidInputError(f"space {self.name!r}: anchor length differs from dim")
        if self.dims and len(self.dims) != self.dim:
            raise InvalidInputError(
                f"space {self.name!r}: {len(self.dims)} names for {self.dim} dims"
            )

    def is_comparable(self, other: EmbeddingSpace) -> bool:
        """Whether vectors of both may be compared: made by one revision, and kept alike."""
        return self._kept() == other._kept()

    def _kept(self) -> tuple[object, ...]:
        return (
            self.revision,
            self.dim,
            self.distance,
            self.levels,
            self.sparse,
            self.anchor,
            self.float16,
        )


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of a space's track vectors, frozen per library.

    Attributes:
        mean: One value per dimension.
        std: One positive value per dimension.
        count: Number of tracks they were fitted on; 0 for the encoder's reference values.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    count: int


DenseVector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """Term weights: strictly increasing ``indices`` and as many finite ``values``."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.indices)


Vector = DenseVector | SparseVector


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One encoded query vector in one space.

    Attributes:
        space: Name of the space.
        vector: float32 of shape (dim,), or sparse.
        weights: float64 of shape (dim,), >= 0, at least one positive; WEIGHTED_EUCLIDEAN only,
            where ``None`` means all ones.
        about: float64 of shape (dim,), in the space's own units; WEIGHTED_EUCLIDEAN only. If given,
            points rank by the weighted cosine of what they and the query differ from this by, and
            their distance is 1 less that; a point that does not differ has distance 1.
    """

    space: str
    vector: Vector
    weights: NDArray[np.float64] | None = field(default=None)
    about: NDArray[np.float64] | None = field(default=None)


def check_vector(space: EmbeddingSpace, vector: Vector, *, where: str) -> None:
    """Reject a vector that can never be stored or searched.

    Args:
        space: The space the vector claims to be in.
        vector: Dense of shape (dim,), or sparse.
        where: The field or file to name in the error.

    Raises:
        InvalidInputError: INVALID_VECTOR if the kind or length is wrong, a value is NaN or infinite
            (also after storage as float16), or a cosine vector has zero norm.
    """
    if isinstance(vector, SparseVector) != space.sparse:
        kind = "sparse" if space.sparse else f"dense with {space.dim} values"
        raise _bad(f"{where}: space {space.name!r} takes a vector that is {kind}")
    if isinstance(vector, SparseVector):
        ordered = bool(np.all(vector.indices[1:] > vector.indices[:-1]))
        if len(vector.indices) != len(vector.values) or not ordered:
            raise _bad(f"{where}: sparse indices must be unique, sorted and as many as the values")
        if not np.all(np.isfinite(vector.values)):
            raise _bad(f"{where}: values must be finite (no NaN, no infinity)")
        return
    if vector.shape != (space.dim,):
        raise _bad(
            f"{where}: expected {space.dim} values for space {space.name!r}, got {vector.size}"
        )
    if not np.all(np.isfinite(vector)):
        raise _bad(f"{where}: values must be finite (no NaN, no infinity)")
    if space.distance is Distance.WEIGHTED_EUCLIDEAN:
        if np.abs(vector).max(initial=0.0) > 1e12:
            raise _bad(f"{where}: values must be at most 1e12 in size")
        return
    if space.float16 and np.abs(vector).max(initial=0.0) > 65_504.0:
        raise _bad(f"{where}: values must fit float16 (at most 65504 in size)")
    if (
        space.distance is Distance.COSINE
        and float(np.linalg.norm(vector.astype(np.float64))) < 1e-12
    ):
        raise _bad(f"{where}: a zero vector has no direction to compare")


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="INVALID_VECTOR")
