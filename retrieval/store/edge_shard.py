"""One shard of Qdrant Edge: made, opened, widened and asked; its own errors become ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import qdrant_edge as engine

from retrieval.core.errors import StoreError
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Distance, EmbeddingSpace, Level
from retrieval.core.tracks import LibraryInfo
from retrieval.store.points import TRACK, index_keys
from retrieval.store.tuning import Tuning

# A shard must have a vector from the start; this one stays empty.
_PLACEHOLDER = "_"
_BATCH = 512
_STEP = 16
"""Points per engine call where other work is let in: about 2 ms."""
_ALL = 2**31 - 1
# The engine has no errors but their words.
_FULL = ("No space left", "StorageFull", "Disk quota", "File too large", "FileTooLarge")

_SCHEMAS = {
    FieldType.KEYWORD: engine.PayloadSchemaType.Keyword,
    FieldType.INTEGER: engine.PayloadSchemaType.Integer,
    FieldType.FLOAT: engine.PayloadSchemaType.Float,
    FieldType.BOOLEAN: engine.PayloadSchemaType.Bool,
    FieldType.DATETIME: engine.PayloadSchemaType.Datetime,
}


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn the engine's bare exceptions, and its panics, into StoreError.

    Raises:
        StoreError: STORE_LOCKED if another process has the shard open, DISK_FULL, or else
            STORE_UNAVAILABLE.
    """
    try:
        yield
    except BaseException as error:
        # The engine raises bare Exceptions; whatever is more specific is ours, or Python's.
        from_engine = type(error) is Exception or type(error).__name__ == "PanicException"
        if not from_engine and not isinstance(error, OSError):
            raise
        if "WouldBlock" in str(error):
            raise StoreError(
                f"{doing}: another process has this library open; stop it, or send the command "
                "to the running service with --address",
                reason="STORE_LOCKED",
            ) from error
        if any(words in str(error) for words in _FULL):
            raise StoreError(
                f"{doing}: the disk is full ({error}); free some space and run the command again, "
                "which goes on from what is committed",
                reason="DISK_FULL",
            ) from error
        raise StoreError(f"{doing}: {error}") from error


class Shard:
    """The tracks or the segments of one library.

    Args:
        path: Folder of the shard.
        level: What its points are.
        tuning: How dense vectors are indexed.
    """

    def __init__(self, path: Path, level: Level, tuning: Tuning) -> None:
        self.path = path
        self.level = level
        self.tuning = tuning
        self.between: Callable[[], None] | None = None
        self._shard: engine.EdgeShard | None = None

    @property
    def raw(self) -> engine.EdgeShard:
        """The open shard.

        Raises:
            StoreError: If it is closed.
        """
        if self._shard is None:
            raise StoreError("the library is closed")
        return self._shard

    def create(self, info: LibraryInfo) -> None:
        """Make the shard, empty, with its vectors; ``widen`` adds the indexes."""
        self.path.mkdir(parents=True)
        with engine_errors(f"cannot create {self.path}"):
            self._shard = engine.EdgeShard.create(str(self.path), self._config(info))

    def exists(self) -> bool:
        """Whether there is anything of it on the disk."""
        return self.path.exists()

    def remove(self) -> None:
        """Delete its files."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def load(self, info: LibraryInfo | None) -> None:
        """Open the shard with the settings for these spaces, or (None) with those it has.

        Raises:
            StoreError: STORE_LOCKED if another process has it open, STORE_CORRUPT if it is gone.
        """
        if not self.path.is_dir():
            raise StoreError(
                f"{self.path} is missing; restore the library's folder from a backup, "
                "or remove it and index again",
                reason="STORE_CORRUPT",
            )
        with engine_errors(f"cannot open {self.path}"):
            # What an optimisation that was killed leaves behind is loaded as if it were data.
            shutil.rmtree(self.path / "temp_segments", ignore_errors=True)
            config = None if info is None else self._config(info)
            self._shard = engine.EdgeShard.load(str(self.path), config)

    def narrow(self, names: Sequence[str]) -> None:
        """Take vectors of these names off every point; those that do not exist are ignored."""
        if not names:
            return
        with engine_errors(f"cannot take vectors out of {self.path}"):
            # The log is replayed into the vectors that there will be, and what does not fit them is
            # lost with its whole point: nothing of the old ones may be left in it.
            self.raw.flush()
            for name in names:
                self.raw.update(engine.UpdateOperation.delete_vector_name(name))

    def widen(self, spaces: Iterable[EmbeddingSpace], fields: Iterable[Field]) -> None:
        """Add vectors and payload indexes; those that exist already stay as they are."""
        operation = engine.UpdateOperation
        with engine_errors(f"cannot add to {self.path}"):
            for space in spaces:
                if self.level not in space.levels:
                    continue
                if space.sparse:
                    self.raw.update(operation.create_sparse_vector(space.name, engine.Modifier.Idf))
                    continue
                size, distance, datatype = _dense(space)
                self.raw.update(
                    operation.create_dense_vector(space.name, size, distance, datatype=datatype)
                )
            self.raw.update(operation.create_field_index(TRACK, _SCHEMAS[FieldType.KEYWORD]))
            for field in fields:
                for key, kind in index_keys(field):
                    self.raw.update(operation.create_field_index(key, _SCHEMAS[kind]))
            self.raw.flush()

    def upsert(self, points: Iterable[engine.Point]) -> None:
        """Write points, whole. They may be made as they are asked for."""
        for batch in self._batches(points):
            self.raw.update(engine.UpdateOperation.upsert_points(batch))

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; unknown ids are ignored."""
        for batch in self._batches(ids):
            self.raw.update(engine.UpdateOperation.delete_points([*batch]))

    def set_payload(self, ids: Sequence[str], payload: dict[str, Any]) -> None:
        """Replace top-level keys of the points' payload."""
        for batch in self._batches(ids):
            self.raw.update(engine.UpdateOperation.set_payload([*batch], payload))

    def retrieve(
        self, ids: Sequence[str], payload: list[str], vectors: bool
    ) -> dict[str, engine.Record]:
        """The points among these that exist, by id."""
        found = self.raw.retrieve([*ids], payload, vectors) if ids else []
        return {str(record.id): record for record in found}

    def scroll(
        self,
        filter: engine.Filter | None,
        *,
        payload: list[str],
        vectors: bool = False,
        limit: int | None = None,
        offset: str | None = None,
    ) -> list[engine.Record]:
        """Points that pass the filter, in order of id from ``offset`` on; all without a limit."""
        found, _ = self.raw.scroll(
            engine.ScrollRequest(
                offset=offset,
                limit=_ALL if limit is None else limit,
                filter=filter,
                with_payload=payload,
                with_vector=vectors,
            )
        )
        return found

    def count(self, filter: engine.Filter | None = None) -> int:
        """Exact number of points that pass the filter."""
        return self.raw.count(engine.CountRequest(exact=True, filter=filter))

    def facet(self, key: str, filter: engine.Filter | None) -> list[tuple[str | int | bool, int]]:
        """Every value at the path with its exact number of points."""
        request = engine.FacetRequest(key, limit=_ALL, exact=True, filter=filter)
        # The index remembers values that no point has any more, with a count of 0.
        return [(hit.value, hit.count) for hit in self.raw.facet(request).hits if hit.count]

    def close(self) -> None:
        """Flush and close; idempotent."""
        shard, self._shard = self._shard, None
        if shard is not None:
            with engine_errors(f"cannot close {self.path}"):
                shard.flush()
                shard.close()

    def _batches(self, items: Iterable[Any]) -> Iterator[list[Any]]:
        between, remaining = self.between, iter(items)
        while batch := list(islice(remaining, _BATCH if between is None else _STEP)):
            yield batch
            if between is not None:
                between()

    def _config(self, info: LibraryInfo) -> engine.EdgeConfig:
        tuning = self.tuning
        graph = engine.HnswIndexConfig(tuning.m, tuning.ef_construct, tuning.full_scan_kb)
        no_graph = engine.HnswIndexConfig(0, tuning.ef_construct, tuning.full_scan_kb, payload_m=0)
        dense = {}
        sparse = {_PLACEHOLDER: engine.EdgeSparseVectorParams()}
        for space in info.spaces.values():
            if self.level not in space.levels:
                continue
            if space.sparse:
                sparse[space.name] = engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)
                continue
            size, distance, datatype = _dense(space)
            void = space.distance is Distance.WEIGHTED_EUCLIDEAN
            dense[space.name] = engine.EdgeVectorParams(
                size, distance, datatype=datatype, hnsw_config=no_graph if void else graph
            )
        return engine.EdgeConfig(
            vectors=dense,
            sparse_vectors=sparse,
            # Of vectors added later, until the shard is opened with this configuration again.
            hnsw_config=no_graph,
            optimizers=engine.EdgeOptimizersConfig(indexing_threshold=tuning.indexing_kb),
            wal_enabled=True,
        )


def _dense(
    space: EmbeddingSpace,
) -> tuple[int, engine.Distance, engine.VectorStorageDatatype]:
    if space.distance is Distance.WEIGHTED_EUCLIDEAN:
        return 2 * space.dim, engine.Distance.Dot, engine.VectorStorageDatatype.Float32
    kind = engine.VectorStorageDatatype
    distance = engine.Distance
    return (
        space.dim,
        distance.Cosine if space.distance is Distance.COSINE else distance.Dot,
        kind.Float16 if space.float16 else kind.Float32,
    )
