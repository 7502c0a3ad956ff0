"""The space that imported vectors go into, and its revision."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.features_layout import Layout
from indexer.features_match import relative_name
from indexer.features_npy import read_features, read_width
from indexer.scan import FoundFile
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Modality
from retrieval.encoders.registry import descriptions

if TYPE_CHECKING:
    from retrieval.core.tracks import LibraryInfo
    from retrieval.encoders.registry import EncoderSet

IMPORTED = "imported-"
HERE = "here"
"""Stands for the revision of this machine's encoder."""

_SAMPLE = 16
_WIDTHS = 1_000


def choose_space(
    name: str | None,
    revision: str | None,
    files: Sequence[FoundFile],
    *,
    layout: Layout | None,
    info: LibraryInfo | None,
    encoders: EncoderSet,
    again: bool,
) -> EmbeddingSpace:
    """The space to import into.

    Args:
        name: What the caller calls it; None takes the layout's name.
        revision: What the caller says the vectors were made by; None takes the layout's, or that
            of the earlier import from this folder, or makes one up from the vectors themselves:
            ``imported-`` and a digest, equal to no encoder's. HERE takes the encoder's.
        files: Files of vectors.
        layout: What the folder says of itself.
        info: What the library is made of; None if there is none yet.
        encoders: Those of this machine: with the same revision, theirs is the space.
        again: Whether the library has vectors of this folder in this space already.

    Raises:
        InvalidInputError: No name or an unusable one, a space of words, or no vector to tell the
            width from.
        PreconditionError: REVISION_MISMATCH if the space is there and nothing says whether these
            vectors are of its kind; MODEL_MISSING if this machine's encoder is meant or needed.
    """
    told = layout.space if layout is not None and name in {None, layout.space.name} else None
    name = name or (told.name if told else None)
    if name is None:
        raise InvalidInputError(
            "say which embedding space these vectors belong to: --space NAME",
            metadata={"field": "space"},
        )
    held = info.spaces.get(name) if info is not None else None
    made_here = encoders[name].space if name in encoders else None
    if any(space is not None and space.sparse for space in (held, made_here)):
        raise InvalidInputError(f"space {name!r} holds words; vectors cannot be imported into it")
    if revision == HERE:
        if made_here is None:
            raise PreconditionError(
                f"--revision {HERE}: no encoder of space {name!r} is among SEGUE_ENCODERS",
                reason="MODEL_MISSING",
                metadata={"space": name},
            )
        return made_here
    revision = revision or (told.revision if told else None)
    if revision is None and again and held is not None:
        revision = held.revision
    if revision is None:
        # The same vectors make up the same one, so that a run that was killed can go on.
        revision = IMPORTED + _digest(files)
        if held is not None and held.revision != revision:
            raise PreconditionError(
                f"space {name!r} is in this library with revision {held.revision}; if the very "
                f"same model made these vectors, add --revision {held.revision}, else give them a "
                "--space of another name, or replace what is there: --revision NEW --upgrade",
                reason="REVISION_MISMATCH",
                metadata={"space": name, "library": held.revision},
            )
    for known in (held, made_here, told):
        if known is not None and known.revision == revision:
            return known
    return EmbeddingSpace(
        name=name,
        dim=told.dim if told is not None else _width(files),
        distance=Distance.COSINE,
        revision=revision,
        query_modalities=_modalities(name),
        # As the encoders declare theirs, so that one of this revision fits later.
        levels=frozenset({Level.TRACK, Level.SEGMENT}),
    )


def _modalities(name: str) -> frozenset[Modality]:
    """What the encoder of this name takes; of an unknown one, what any might."""
    every = frozenset({Modality.TEXT, Modality.AUDIO})
    return next((one.modalities & every for one in descriptions() if one.name == name), every)


def _width(files: Sequence[FoundFile]) -> int:
    """The commonest width: one odd file must not decide for the others."""
    widths: Counter[int] = Counter()
    for file in files[:_WIDTHS]:
        try:
            widths[read_width(Path(file.path))] += 1
        except (InvalidInputError, OSError):
            continue
    if not widths:
        raise InvalidInputError(
            "there is no readable file of vectors (.npy) in the folder",
            reason="FEATURES_UNREADABLE",
        )
    return widths.most_common(1)[0][0]


def _digest(files: Sequence[FoundFile]) -> str:
    """A digest of the first readable vectors: other vectors, another revision."""
    digest = hashlib.blake2b(digest_size=8)
    for relative, content in islice(_readable(files), _SAMPLE):
        digest.update(f"{relative}\0{content}\0".encode())
    return digest.hexdigest()


def _readable(files: Sequence[FoundFile]) -> Iterator[tuple[str, str]]:
    for file in files:
        try:
            yield relative_name(file), read_features(Path(file.path)).digest
        except (InvalidInputError, OSError):
            continue
