"""Resource names: ``tracks/{id}`` on the wire, the bare id in the domain."""

from __future__ import annotations

from collections.abc import Iterable

from retrieval.api.checks import invalid
from retrieval.core.tracks import TRACK_ID

PREFIX = "tracks/"


def track_name(track_id: str) -> str:
    """Resource name of a track.

    Raises:
        InvalidInputError: If the id is not one, so that a client fails before it asks.
    """
    if TRACK_ID.fullmatch(track_id) is None:
        raise invalid("track", f"{track_id[:80]!r} is not a track id")
    return PREFIX + track_id


def track_id(name: str, where: str) -> str:
    """Id of a track by its resource name.

    Raises:
        InvalidInputError: If the name is not ``tracks/{id}``.
    """
    found = name.removeprefix(PREFIX)
    if found == name or TRACK_ID.fullmatch(found) is None:
        raise invalid(where, f'expected "tracks/{{id}}", got {name[:80]!r}')
    return found


def track_ids(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Ids of several tracks; see ``track_id``."""
    return tuple(track_id(name, f"{where}[{i}]") for i, name in enumerate(names))
