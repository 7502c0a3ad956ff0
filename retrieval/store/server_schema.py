"""A library's collections on a Qdrant server: names, vectors, indexes, and filters.

``{library}_tracks`` and ``{library}_segments`` are aliases of ``…_v1``, so that a rebuilt
collection can be swapped in later without a failed query. What the library is made of lies in the
metadata of the tracks collection, under one key and therefore replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qdrant_client import models

from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, SparseVector, Vector
from retrieval.core.tracks import LibraryInfo
from retrieval.store.filters import Dialect
from retrieval.store.points import TRACK, index_keys
from retrieval.store.tuning import Tuning
from retrieval.store.weighted import expand, recover

VERSION = 1
METADATA_KEY = "segue"
INDEXES = {
    FieldType.KEYWORD: models.PayloadSchemaType.KEYWORD,
    FieldType.INTEGER: models.PayloadSchemaType.INTEGER,
    FieldType.FLOAT: models.PayloadSchemaType.FLOAT,
    FieldType.BOOLEAN: models.PayloadSchemaType.BOOL,
    FieldType.DATETIME: models.PayloadSchemaType.DATETIME,
}
TUNING = Tuning()


def alias(library: str, level: Level) -> str:
    """The name under which every request reaches a collection."""
    return f"{library}_{level.value}s"


def collection(library: str, level: Level) -> str:
    """The name under which a collection is made."""
    return f"{alias(library, level)}_v{VERSION}"


def spaces_at(info: LibraryInfo, level: Level) -> tuple[EmbeddingSpace, ...]:
    """The spaces that have vectors at a level."""
    return tuple(space for space in info.spaces.values() if level in space.levels)


def indexes(fields: Sequence[Field]) -> dict[str, models.PayloadSchemaType]:
    """Every payload index of a collection: path and type."""
    keys = {TRACK: models.PayloadSchemaType.KEYWORD}
    for field in fields:
        keys.update({path: INDEXES[kind] for path, kind in index_keys(field)})
    return keys


def dense_params(space: EmbeddingSpace) -> models.VectorParams:
    """How a dense space is stored.

    Weighted-Euclidean spaces keep ``[u, u^2]`` in float32 and no graph, whose neighbours would be
    wrong under every other weighting; their queries scan.
    """
    if space.distance is Distance.WEIGHTED_EUCLIDEAN:
        return models.VectorParams(
            size=2 * space.dim,
            distance=models.Distance.DOT,
            hnsw_config=models.HnswConfigDiff(m=0),
            datatype=models.Datatype.FLOAT32,
        )
    cosine = space.distance is Distance.COSINE
    return models.VectorParams(
        size=space.dim,
        distance=models.Distance.COSINE if cosine else models.Distance.DOT,
        hnsw_config=models.HnswConfigDiff(m=TUNING.m, ef_construct=TUNING.ef_construct),
        datatype=models.Datatype.FLOAT16 if space.float16 else models.Datatype.FLOAT32,
    )


def sparse_params() -> models.SparseVectorParams:
    """How a sparse space is stored: term weights, with the IDF of the collection at query time."""
    return models.SparseVectorParams(modifier=models.Modifier.IDF)


def new_vector(space: EmbeddingSpace) -> models.VectorNameConfig:
    """The same for a space added to an existing collection; see ``graph_change``."""
    if space.sparse:
        return models.SparseVectorNameConfig(
            sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF)
        )
    params = dense_params(space)
    datatype = None if params.datatype is None else models.VectorStorageDatatype(params.datatype)
    return models.DenseVectorNameConfig(
        dense=models.DenseVectorConfig(
            size=params.size, distance=params.distance, datatype=datatype
        )
    )


def graph_change(space: EmbeddingSpace) -> dict[str, models.VectorParamsDiff]:
    """The graph settings of an added dense space, which ``new_vector`` cannot carry."""
    return {space.name: models.VectorParamsDiff(hnsw_config=dense_params(space).hnsw_config)}


def encode_vectors(info: LibraryInfo, vectors: Mapping[str, Vector]) -> dict[str, Any]:
    """The vectors of a point by space; an empty sparse one is none at all."""
    return {
        name: to_engine(info.spaces[name], vector)
        for name, vector in vectors.items()
        if not is_empty(vector)
    }


def decode_vectors(info: LibraryInfo, stored: Any) -> dict[str, Vector]:
    """The vectors of a point in their spaces' own units, by space.

    Cosine vectors come back with length 1: the engine keeps their direction only.
    """
    vectors = stored if isinstance(stored, dict) else {}
    return {
        name: from_engine(info.spaces[name], value)
        for name, value in vectors.items()
        if name in info.spaces
    }


def is_empty(vector: Vector) -> bool:
    """Whether this is a sparse vector without terms, which engines do not store."""
    return isinstance(vector, SparseVector) and len(vector) == 0


def to_engine(space: EmbeddingSpace, vector: Vector) -> list[float] | models.SparseVector:
    """A vector as the server stores it."""
    if isinstance(vector, SparseVector):
        return sparse(vector)
    stored = expand(space, vector) if space.anchor is not None else vector
    values: list[float] = stored.tolist()
    return values


def from_engine(space: EmbeddingSpace, stored: Any) -> Vector:
    """A stored vector in the space's own units."""
    if space.sparse:
        order = np.argsort(np.asarray(stored.indices, dtype=np.uint32))
        return SparseVector(
            np.asarray(stored.indices, dtype=np.uint32)[order],
            np.asarray(stored.values, dtype=np.float32)[order],
        )
    if space.anchor is not None:
        # Through float32 first: the server's floats arrive as the shortest decimals of float32.
        return recover(space, np.asarray(stored, dtype=np.float32))
    return np.asarray(stored, dtype=np.float32)


def sparse(vector: SparseVector) -> models.SparseVector:
    """Term weights in the client's class."""
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())


def as_filter(condition: models.Condition) -> models.Filter:
    """A condition where the client wants a filter."""
    return condition if isinstance(condition, models.Filter) else models.Filter(must=[condition])


class ServerDialect(Dialect[models.Condition]):
    """Filters in the client's classes."""

    def equals(self, key: str, value: str | int | bool) -> models.Condition:
        """See ``Dialect``."""
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))

    def any_of(self, key: str, values: list[str] | list[int]) -> models.Condition:
        """See ``Dialect``."""
        return models.FieldCondition(key=key, match=models.MatchAny(any=values))

    def numbers(
        self, key: str, gt: float | None, gte: float | None, lt: float | None, lte: float | None
    ) -> models.Condition:
        """See ``Dialect``."""
        return models.FieldCondition(key=key, range=models.Range(gt=gt, gte=gte, lt=lt, lte=lte))

    def instants(
        self, key: str, gt: str | None, gte: str | None, lt: str | None, lte: str | None
    ) -> models.Condition:
        """See ``Dialect``."""
        bounds = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
        return models.FieldCondition(key=key, range=models.DatetimeRange.model_validate(bounds))

    def empty(self, key: str) -> models.Condition:
        """See ``Dialect``."""
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))

    def nested(self, key: str, condition: models.Condition) -> models.Condition:
        """See ``Dialect``."""
        inner = models.Filter(must=[condition])
        return models.NestedCondition(nested=models.Nested(key=key, filter=inner))

    def combine(
        self,
        must: Sequence[models.Condition] = (),
        should: Sequence[models.Condition] = (),
        must_not: Sequence[models.Condition] = (),
    ) -> models.Condition:
        """See ``Dialect``."""
        return models.Filter(
            must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None
        )

    def never(self) -> models.Condition:
        """See ``Dialect``."""
        return self.empty(TRACK)  # every point has its track
