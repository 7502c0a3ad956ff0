"""Tracks as people name them: by id, by path or by title."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.core.errors import InvalidInputError, NotFoundError
from retrieval.core.filters import Any, Equals
from retrieval.core.tracks import TRACK_ID, Span

if TYPE_CHECKING:
    from retrieval.core.library import Library

SHOWN = 5


def resolve(library: Library, reference: str) -> str:
    """The id of the one track that a reference names.

    Args:
        library: Where to look.
        reference: A track id, the path of a file as the library knows it (or relative to the
            current folder), or an exact title.

    Raises:
        NotFoundError: TRACK_NOT_FOUND.
        InvalidInputError: If several tracks have this title; the message lists their ids.
    """
    if TRACK_ID.match(reference) and library.fetch([reference]):
        return reference
    paths = dict.fromkeys((reference, str(Path(reference).absolute()), _real(reference)))
    by_path = library.list_tracks(Any(tuple(Equals("paths", p) for p in paths)), limit=2).tracks
    if len(by_path) == 1:
        return by_path[0].id
    titled = library.list_tracks(Equals("title", reference), limit=SHOWN).tracks
    if len(titled) == 1:
        return titled[0].id
    if titled:
        ids = ", ".join(track.id for track in titled)
        raise InvalidInputError(
            f"several tracks are called {reference!r}; name one by id: {ids}",
            metadata={"reference": reference, "tracks": ids},
        )
    raise NotFoundError(
        f"{reference!r} is no track id, path or title in the library",
        metadata={"reference": reference},
    )


def _real(reference: str) -> str:
    try:
        return str(Path(reference).resolve())
    except (OSError, RuntimeError, ValueError):
        return reference


def split_moment(reference: str) -> tuple[str, Span | None]:
    """Take ``TRACK@START-END`` apart; times are seconds or ``m:ss``.

    Returns:
        The track's reference, and the span if there is one.
    """
    track, sign, times = reference.rpartition("@")
    start, dash, end = times.partition("-")
    if not (sign and dash):
        return reference, None
    try:
        return track, Span(_seconds(start), _seconds(end))
    except ValueError:
        return reference, None


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = total * 60.0 + float(part)
    return total
