"""Vectors and time spans."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from retrieval.api.checks import entry, finite, invalid, join, kind_of
from retrieval.api.v1 import types_pb2 as pb
from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import SPACE_NAME, SparseVector, Vector
from retrieval.core.tracks import Span

_REASON = "INVALID_VECTOR"


def encode_vector(vector: Vector) -> pb.Vector:
    """A vector for the wire, bit by bit."""
    if isinstance(vector, SparseVector):
        sparse = pb.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
        return pb.Vector(sparse=sparse)
    return pb.Vector(dense=pb.DenseVector(values=vector.tolist()))


def decode_vector(message: pb.Vector, where: str) -> Vector:
    """A vector from the wire; the store checks it against its space.

    Raises:
        InvalidInputError: INVALID_VECTOR if it is missing or empty, a value is not finite, or
            sparse indices are not as many as the values, unique and sorted.
    """
    if kind_of(message, "kind", where, _REASON) == "dense":
        dense = np.fromiter(message.dense.values, np.float32, len(message.dense.values))
        if not len(dense):
            raise invalid(join(where, "dense.values"), "is empty", _REASON)
        _check_finite(dense, join(where, "dense.values"))
        return dense
    sparse = message.sparse
    if len(sparse.indices) != len(sparse.values):
        message_ = f"{len(sparse.indices)} indices for {len(sparse.values)} values"
        raise invalid(join(where, "sparse"), message_, _REASON)
    indices = np.fromiter(sparse.indices, np.uint32, len(sparse.indices))
    values = np.fromiter(sparse.values, np.float32, len(sparse.values))
    if not np.all(indices[1:] > indices[:-1]):
        raise invalid(join(where, "sparse.indices"), "must be unique and sorted", _REASON)
    _check_finite(values, join(where, "sparse.values"))
    return SparseVector(indices, values)


def _check_finite(values: np.ndarray[tuple[int], np.dtype[np.float32]], where: str) -> None:
    good = np.isfinite(values)
    if not good.all():
        at = f"{where}[{int(good.argmin())}]"
        raise invalid(at, "must be finite (no NaN, no infinity)", _REASON)


def encode_vectors(vectors: Mapping[str, Vector]) -> dict[str, pb.Vector]:
    """Vectors by name of their space, for the wire."""
    return {space: encode_vector(vector) for space, vector in vectors.items()}


def decode_vectors(messages: Mapping[str, pb.Vector], where: str) -> dict[str, Vector]:
    """Vectors by name of their space, from the wire; see ``decode_vector``."""
    for space in messages:
        if SPACE_NAME.fullmatch(space) is None:
            raise invalid(entry(where, space), "is not the name of a space")
    return {
        space: decode_vector(message, entry(where, space)) for space, message in messages.items()
    }


def encode_span(span: Span) -> pb.Span:
    """A time span for the wire."""
    return pb.Span(start_seconds=span.start, end_seconds=span.end)


def decode_span(message: pb.Span, where: str) -> Span:
    """A time span from the wire.

    Raises:
        InvalidInputError: Unless 0 <= start < end, both finite.
    """
    start, end = message.start_seconds, message.end_seconds
    if not (math.isfinite(start) and math.isfinite(end)):
        finite(start, join(where, "start_seconds"))
        finite(end, join(where, "end_seconds"))
    try:
        return Span(start, end)
    except InvalidInputError as error:
        raise invalid(where, error.message) from None
