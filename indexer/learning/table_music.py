"""What a table of pairs says of its music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.features_layout import read_head
from indexer.features_npy import read_features
from indexer.learning.csv_rows import PairRow, bad
from indexer.learning.music import Music, MusicSource
from retrieval.core.errors import InvalidInputError
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.model_card import ProjectionSpace

_PARENTS = 8
"""How far above a vector the description of its space is looked for."""


def table_music(
    path: Path,
    rows: Sequence[PairRow],
    revision: str | None,
    space: tuple[str, str] | None,
    source: MusicSource | None,
) -> Music:
    """What the table says of its tracks, or else what the library does.

    Args:
        path: The table.
        rows: The first row of each track.
        revision: As for ``tables.read_pairs``.
        space: Likewise.
        source: The library, or None.

    Raises:
        InvalidInputError: INVALID_METADATA; names the file, line and column.
    """
    if all(value is None for row in rows for value in row.sound):
        if source is None or revision is not None:
            raise bad(f"{path}, line 1: columns are missing: {', '.join(DIMS)}")
        return source([(row.track, row.line) for row in rows])
    for row in rows:
        if None in row.sound:
            raise bad(f"{path}, line {row.line}, column {DIMS[row.sound.index(None)]!r}: no value")
    if revision is None:
        raise bad(f"{path}: of which revision are the ten dimensions of the music? --revision")
    embeddings, found = _embeddings(path, rows, space)
    sound = np.array([row.sound for row in rows], dtype=np.float64)
    return Music(sound, revision, embeddings, found)


def _embeddings(
    path: Path, rows: Sequence[PairRow], space: tuple[str, str] | None
) -> tuple[NDArray[np.float32] | None, ProjectionSpace | None]:
    named = [row for row in rows if row.embedding is not None]
    if not named:
        return None, None
    if len(named) < len(rows):
        bare = next(row for row in rows if row.embedding is None)
        raise bad(f"{path}, line {bare.line}, column 'embedding': give all tracks one, or none")
    found: list[NDArray[np.float32]] = []
    for row in named:
        where = f"{path}, line {row.line}, column 'embedding': {row.embedding}"
        try:
            vector = read_features(path.parent / str(row.embedding)).rows
        except (InvalidInputError, OSError) as error:
            raise bad(f"{where}: {error}") from error
        if len(vector) != 1:
            raise bad(f"{where}: it holds {len(vector)} vectors; export whole tracks")
        if found and vector.shape[1] != len(found[0]):
            raise bad(f"{where}: {vector.shape[1]} values, others have {len(found[0])}")
        found.append(vector[0] / np.linalg.norm(vector[0]))
    first = path.parent / str(named[0].embedding)
    space = space or _described(first)
    if space is None:
        raise bad(
            f"{path}, column 'embedding': which space are these vectors of? They do not lie in a "
            "folder of segue export; say --space NAME=REVISION, as segue spaces shows it"
        )
    rows_ = np.asarray(np.stack(found), dtype=np.float32)
    return rows_, ProjectionSpace(space=space[0], revision=space[1], dim=rows_.shape[1])


def _described(vector: Path) -> tuple[str, str] | None:
    """Name and revision of the space, if the vector lies where ``segue export`` put it."""
    for folder in list(vector.resolve().parents)[:_PARENTS]:
        head = read_head(folder)
        if head is not None:
            return head.name, head.revision
    return None
