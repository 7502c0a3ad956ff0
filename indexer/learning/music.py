"""The music of pairs, where a library knows it already."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.features_export import read_records
from retrieval.core.errors import PreconditionError
from retrieval.core.library import LibraryReader
from retrieval.core.spaces import EmbeddingSpace, SparseVector
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.model_card import ProjectionSpace


@dataclass(frozen=True, slots=True, eq=False)
class Music:
    """Tracks as numbers.

    Attributes:
        sound: float64 (tracks, 10), in the order of the perceptual dimensions.
        revision: Of the space that these are from.
        embeddings: float32 (tracks, D) of length 1, or None.
        space: The space that they are from, or None.
    """

    sound: NDArray[np.float64]
    revision: str
    embeddings: NDArray[np.float32] | None
    space: ProjectionSpace | None


MusicSource = Callable[[Sequence[tuple[str, int]]], Music]
"""Finds tracks by name; each comes with the line that names it."""


def library_music(library: LibraryReader, ids: Sequence[str], space: str | None) -> Music:
    """Tracks as a library holds them.

    Args:
        library: Where they are.
        ids: Theirs.
        space: Name of the space to take embeddings from; None takes none.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE if the library has no such space, or a track no vector
            in it; UNIMPLEMENTED if it gives no vectors.
    """
    spaces = library.info().spaces
    heard = next((one for one in spaces.values() if one.dims == DIMS), None)
    if heard is None:
        raise _unavailable("perceptual", "this library has no space of the ten dimensions")
    chosen = None if space is None else spaces.get(space)
    if space is not None and (chosen is None or chosen.sparse):
        there = ", ".join(name for name, one in spaces.items() if not one.sparse)
        raise _unavailable(space, f"this library has no vectors of {space!r}; it has: {there}")
    wanted = list(dict.fromkeys(ids))
    records = {one.id: one for one in read_records(library, wanted, threading.Event())}
    sound = np.array([_vector(records, key, heard) for key in ids], dtype=np.float64)
    if chosen is None:
        return Music(sound, heard.revision, None, None)
    rows = np.array([_vector(records, key, chosen) for key in ids], dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    told = ProjectionSpace(space=chosen.name, revision=chosen.revision, dim=chosen.dim)
    return Music(sound, heard.revision, rows, told)


def _vector(
    records: dict[str, TrackRecord], key: str, space: EmbeddingSpace
) -> NDArray[np.floating]:
    vector = records[key].vectors.get(space.name) if key in records else None
    if vector is None or isinstance(vector, SparseVector):
        raise _unavailable(
            space.name, f"track {key} has no vector in the space {space.name!r}; index it again"
        )
    return vector


def _unavailable(space: str, problem: str) -> PreconditionError:
    return PreconditionError(problem, reason="SPACE_UNAVAILABLE", metadata={"space": space})
