"""The intent of one write that touches several files, so that a killed process leaves no half.

A library keeps tracks and segments in two shards, each with a log of its own. Before a write
touches either, the whole of it goes into one file, by an atomic rename; when it is done the file
is removed. Whoever opens the library finds the file exactly if a write was cut short, and applies
it again: every operation may be applied twice.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.core.errors import StoreError
from retrieval.core.payload import Payload
from retrieval.core.spaces import SparseVector, Vector
from retrieval.core.tracks import LibraryInfo, SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.store.declaration import from_json, to_json
from retrieval.store.library_file import replace_file


@dataclass(frozen=True, slots=True)
class Intent:
    """What a write is about to do; the parts that are empty do nothing.

    Attributes:
        declare: The library's new description; its vectors and indexes are to be made.
        write: Whole tracks.
        update: New payloads and vectors of existing tracks.
        delete: Track ids.
    """

    declare: LibraryInfo | None = None
    write: tuple[TrackRecord, ...] = ()
    update: tuple[TrackUpdate, ...] = ()
    delete: tuple[str, ...] = ()


class Journal:
    """The file that holds the intent.

    Args:
        path: Where it lies while a write goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """Where it lies while a write goes on."""
        return self._path

    def begin(self, intent: Intent) -> None:
        """Record what is about to happen.

        Survives a killed process; a declaration, without which the shards cannot be read, also a
        power loss.
        """
        replace_file(self._path, encode(intent), durable=intent.declare is not None)

    def end(self) -> None:
        """Forget it: it happened."""
        self._path.unlink(missing_ok=True)

    def pending(self) -> Intent | None:
        """The intent of a write that was cut short, if there is one.

        Raises:
            StoreError: STORE_CORRUPT if the file cannot be read.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return decode(data)
        except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
            if not data:  # lost by a power cut, with the write that it was for
                return None
            raise StoreError(
                f"{self._path} holds a write that was cut short and cannot be read ({error!r}); "
                "move the file away and index again",
                reason="STORE_CORRUPT",
            ) from error


class _Vectors:
    """Every number of an intent in three flat arrays; JSON then only holds places in them."""

    def __init__(self) -> None:
        self._dense: list[Any] = []
        self._indices: list[Any] = []
        self._values: list[Any] = []
        self._dense_at = 0
        self._sparse_at = 0

    def place(self, vectors: Mapping[str, Vector]) -> dict[str, list[int]]:
        places = {}
        for name, vector in vectors.items():
            if isinstance(vector, SparseVector):
                self._indices.append(np.asarray(vector.indices, dtype=np.uint32))
                self._values.append(np.asarray(vector.values, dtype=np.float32))
                places[name] = [1, self._sparse_at, len(vector)]
                self._sparse_at += len(vector)
            else:
                self._dense.append(np.asarray(vector, dtype=np.float32))
                places[name] = [0, self._dense_at, len(vector)]
                self._dense_at += len(vector)
        return places

    def arrays(self) -> dict[str, Any]:
        return {
            "dense": np.concatenate([np.empty(0, np.float32), *self._dense]),
            "indices": np.concatenate([np.empty(0, np.uint32), *self._indices]),
            "values": np.concatenate([np.empty(0, np.float32), *self._values]),
        }


def encode(intent: Intent) -> bytes:
    """An intent as the bytes of a NumPy archive without pickles."""
    vectors = _Vectors()
    text = {
        "declare": intent.declare and to_json(intent.declare),
        "write": [
            {
                "id": record.id,
                "payload": dict(record.payload),
                "vectors": vectors.place(record.vectors),
                "segments": [
                    [s.span.start, s.span.end, vectors.place(s.vectors)] for s in record.segments
                ],
            }
            for record in intent.write
        ],
        "update": [
            {"id": u.id, "payload": dict(u.payload), "vectors": vectors.place(u.vectors)}
            for u in intent.update
        ],
        "delete": list(intent.delete),
    }
    target = io.BytesIO()
    encoded = np.frombuffer(json.dumps(text).encode(), dtype=np.uint8)
    np.savez(target, intent=encoded, **vectors.arrays())
    return target.getvalue()


def decode(data: bytes) -> Intent:
    """The intent in ``encode``'s bytes.

    Raises:
        ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile: If they are not.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in ("dense", "indices", "values")}
        text = json.loads(archive["intent"].tobytes())
    return Intent(
        declare=from_json(text["declare"]) if text["declare"] else None,
        write=tuple(
            TrackRecord(
                entry["id"],
                _payload(entry["payload"]),
                _vectors(entry["vectors"], arrays),
                tuple(
                    SegmentRecord(Span(start, end), _vectors(places, arrays))
                    for start, end, places in entry["segments"]
                ),
            )
            for entry in text["write"]
        ),
        update=tuple(
            TrackUpdate(e["id"], _payload(e["payload"]), _vectors(e["vectors"], arrays))
            for e in text["update"]
        ),
        delete=tuple(text["delete"]),
    )


def _payload(entry: Mapping[str, Any]) -> Payload:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}


def _vectors(places: Mapping[str, Sequence[int]], arrays: Mapping[str, Any]) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    for name, (sparse, start, length) in places.items():
        part = slice(start, start + length)
        if sparse:
            found[name] = SparseVector(arrays["indices"][part], arrays["values"][part])
        else:
            found[name] = arrays["dense"][part]
    return found
