"""Which recordings the library really has, whatever the manifest says."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.manifest import Manifest
from retrieval.core.library import LibraryWriter

_FETCH = 256


class HeldTracks:
    """Asks the library once about each recording, and forgets those that it has lost.

    Someone may have deleted them, or the library may come from an older backup. Forgotten ones are
    encoded again when a file with their sound is met.
    """

    def __init__(self, library: LibraryWriter, manifest: Manifest) -> None:
        self._library = library
        self._manifest = manifest
        self._held: set[str] = set()

    def check(self, track_ids: Iterable[str]) -> None:
        """Ask about several recordings at once."""
        ids = sorted(set(track_ids) - self._held)
        lost: list[str] = []
        for start in range(0, len(ids), _FETCH):
            asked = ids[start : start + _FETCH]
            there = {track.id for track in self._library.fetch(asked)}
            self._held |= there
            lost.extend(track_id for track_id in asked if track_id not in there)
        if lost:
            with self._manifest.transaction():
                self._manifest.delete_tracks(lost)

    def holds(self, track_id: str) -> bool:
        """Whether the library has this recording."""
        self.check([track_id])
        return track_id in self._held

    def add(self, track_id: str) -> None:
        """This recording was written just now."""
        self._held.add(track_id)
