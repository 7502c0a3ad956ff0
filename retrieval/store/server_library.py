"""A library's description on a server, and how its collections are made to match it.

Collections are made and widened before the description says so, and narrowed after it, and each
step may be repeated: a declaration that was cut short is completed by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from qdrant_client import models

from retrieval.core.errors import PreconditionError, StoreError
from retrieval.core.spaces import EmbeddingSpace, Level
from retrieval.core.tracks import LibraryInfo
from retrieval.store import server_schema as schema
from retrieval.store.declaration import from_json, to_json
from retrieval.store.server_calls import ServerCalls


class ServerLibrary:
    """Reads and writes what a library is made of.

    Args:
        calls: The server.
        library: Prefix of the collections' names.
    """

    def __init__(self, calls: ServerCalls, library: str) -> None:
        self._calls = calls
        self._client = calls.client
        self._library = library

    def read(self) -> LibraryInfo:
        """What the library is made of.

        Raises:
            PreconditionError: LIBRARY_MISSING if there is none.
        """
        held = self.find()
        if held is None:
            raise PreconditionError(
                f"there is no library {self._library!r} on Qdrant at {self._calls.address} yet; "
                "index some music first",
                reason="LIBRARY_MISSING",
            )
        return held

    def find(self) -> LibraryInfo | None:
        """What the library is made of, or None if there is none."""
        try:
            tracks = schema.alias(self._library, Level.TRACK)
            held = self._calls.ask(self._client.get_collection, tracks)
        except PreconditionError:
            return None
        text = (held.config.metadata or {}).get(schema.METADATA_KEY)
        if text is None:
            raise StoreError(
                f"collection {tracks!r} on Qdrant at {self._calls.address} is not Segue's; "
                "choose another library name (SEGUE_LIBRARY)",
                reason="STORE_CORRUPT",
            )
        return from_json(json.loads(text))

    def describe(self, info: LibraryInfo) -> None:
        """Replace the description, as a whole."""
        self._calls.tell(
            self._client.update_collection,
            self._physical(Level.TRACK),
            metadata=_metadata(info),
        )

    def build(self, held: LibraryInfo | None, info: LibraryInfo) -> None:
        """Make collections, vectors and indexes for ``info``, then make it the description.

        Args:
            held: The description there is, or None for a new library.
            info: The description there is to be.
        """
        for level in (Level.SEGMENT, Level.TRACK):
            name = (
                schema.collection(self._library, level) if held is None else self._physical(level)
            )
            if held is None and not self._calls.ask(self._client.collection_exists, name):
                self._create(name, info, level)
            self._widen(name, held, info, level)
        if held is not None:
            self.describe(info)
            return
        tracks = schema.collection(self._library, Level.TRACK)
        self._calls.tell(self._client.update_collection, tracks, metadata=_metadata(info))
        self._calls.tell(
            self._client.update_collection_aliases,
            [
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(
                        collection_name=schema.collection(self._library, level),
                        alias_name=schema.alias(self._library, level),
                    )
                )
                for level in Level
            ],
        )

    def _create(self, name: str, info: LibraryInfo, level: Level) -> None:
        spaces = schema.spaces_at(info, level)
        self._calls.tell(
            self._client.create_collection,
            name,
            vectors_config={s.name: schema.dense_params(s) for s in spaces if not s.sparse},
            sparse_vectors_config={s.name: schema.sparse_params() for s in spaces if s.sparse},
        )

    def _widen(self, name: str, held: LibraryInfo | None, info: LibraryInfo, level: Level) -> None:
        collection = self._calls.ask(self._client.get_collection, name)
        params = collection.config.params
        dense: dict[str, Any] = dict(params.vectors) if isinstance(params.vectors, dict) else {}
        sparse = params.sparse_vectors or {}
        described: Collection[str] = () if held is None else held.spaces
        for space in info.spaces.values():
            if space.name in described:
                continue
            at_level = level in space.levels
            there = space.name in dense or space.name in sparse
            fits = at_level and _matches(space, dense.get(space.name), sparse.get(space.name))
            if there and held is None and fits:
                continue  # no track can have been written yet
            if there:
                # Of another revision, or left over from a declaration that was cut short.
                self._calls.tell(self._client.delete_vector_name, name, space.name)
            if not at_level:
                continue
            self._calls.tell(
                self._client.create_vector_name, name, space.name, schema.new_vector(space)
            )
            if not space.sparse:
                self._calls.tell(
                    self._client.update_collection,
                    name,
                    vectors_config=schema.graph_change(space),
                )
        if self._calls.in_memory:
            return  # keeps no payload indexes, and warns about each
        known = collection.payload_schema or {}
        for path, kind in schema.indexes(tuple(info.fields.values())).items():
            if path not in known:
                self._calls.tell(
                    self._client.create_payload_index, name, path, field_schema=kind, wait=True
                )

    def _physical(self, level: Level) -> str:
        wanted = schema.alias(self._library, level)
        for entry in self._calls.ask(self._client.get_aliases).aliases:
            if entry.alias_name == wanted:
                return entry.collection_name
        return wanted


def _metadata(info: LibraryInfo) -> dict[str, Any]:
    # One text, so that it is replaced and not merged key by key.
    return {schema.METADATA_KEY: json.dumps(to_json(info))}


def _matches(space: EmbeddingSpace, dense: Any, sparse: Any) -> bool:
    if space.sparse:
        return sparse is not None
    wanted = schema.dense_params(space)
    return (
        dense is not None
        and dense.size == wanted.size
        and dense.distance == wanted.distance
        and dense.datatype in (None, wanted.datatype)
    )
