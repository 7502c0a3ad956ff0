"""``segue index --upgrade``: spaces that another revision has filled, encoded anew in place.

The manifest forgets that tracks were encoded, then the library drops the old vectors and takes the
new revision at one stroke. From there on it is a run like any other that finds a space missing:
what is committed stays, queries are answered from it, and a run that was killed goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from indexer.features_space import IMPORTED
from indexer.manifest import Manifest, manifest_path
from indexer.scan import is_under, root_path
from indexer.upgrade_report import Renewed, UpgradeReport, Without
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.library import Library, LibraryWriter, RecordReader
from retrieval.core.spaces import EmbeddingSpace
from retrieval.core.tracks import LibraryInfo, Track, TrackUpdate
from retrieval.encoders.protocol import WordsEncoder

_PAGE = 256


class UpgradeManifest(Manifest):
    """A manifest that also answers about all files, and forgets what was encoded."""

    def paths(self) -> Iterator[str]:
        """Every file, by path."""
        for (path,) in self._db.execute("SELECT path FROM files ORDER BY path"):
            yield os.fsdecode(path)

    def count_imported(self, space: str) -> int:
        """How many files of vectors were imported into a space."""
        row = self._db.execute("SELECT count(*) FROM features WHERE space = ?", (space,)).fetchone()
        return int(row[0])

    def forget_space(self, space: str) -> None:
        """Count no recording as encoded in a space, inside a transaction."""
        self._db.execute(
            "UPDATE tracks SET spaces = json_remove(spaces, '$.' || ?)", (json.dumps(space),)
        )


class Upgrade:
    """The spaces of one run that the library has with another revision or shape.

    Attributes:
        changed: These, as they are to be.
        fitting: The others.
    """

    def __init__(
        self,
        library: LibraryWriter,
        spaces: Sequence[EmbeddingSpace],
        only: Collection[str],
        *,
        manifest_dir: Path,
    ) -> None:
        """Look, and change nothing but to create a library that is not there.

        Args:
            library: To be brought up to date.
            spaces: That this machine can fill.
            only: Names of those that may change; empty for all.
            manifest_dir: Where the record of the library is kept.

        Raises:
            InvalidInputError: INVALID_SETTING if a name is not one of theirs.
        """
        unknown = sorted(set(only) - {space.name for space in spaces})
        if unknown:
            raise InvalidInputError(
                f"space {unknown[0]!r}: no encoder here fills it; these are filled: "
                f"{', '.join(space.name for space in spaces)}",
                reason="INVALID_SETTING",
                metadata={"space": unknown[0]},
            )
        self._only = frozenset(only)
        self._info = library.declare(())
        self._path = manifest_path(manifest_dir, self._info.id)
        held = self._info.spaces
        self.changed = tuple(
            space
            for space in spaces
            if space.name in held and not held[space.name].is_comparable(space)
            if not only or space.name in only
        )
        self.fitting = tuple(space for space in spaces if space not in self.changed)

    def files(self, beside: Sequence[str | Path]) -> list[str]:
        """The files that the library was made of and that are still there, but for those in paths.

        Args:
            beside: Paths that are looked through anyway.
        """
        if not self._path.exists():
            return []
        roots = [root_path(os.fspath(path)) for path in beside]
        with contextlib.closing(UpgradeManifest(self._path, self._info.id)) as manifest:
            return [
                path
                for path in manifest.paths()
                if not any(is_under(path, root) for root in roots) and Path(path).exists()
            ]

    def begin(self, library: LibraryWriter, *, found: int) -> LibraryInfo:
        """Drop the old vectors; the caller holds the run's lock.

        Args:
            library: To be brought up to date.
            found: How many sound files are at hand.

        Returns:
            What the library is made of now.

        Raises:
            PreconditionError: FILES_MISSING if there is no file to encode anew, REVISION_MISMATCH
                if the vectors were made elsewhere and nobody named the space.
        """
        if not self.changed:
            return self._info
        with contextlib.closing(UpgradeManifest(self._path, self._info.id)) as manifest:
            for space in self.changed:
                imported = manifest.count_imported(space.name)
                self._check(library, space, imported, found)
            with manifest.transaction():
                for space in self.changed:
                    manifest.forget_space(space.name)
        names = [space.name for space in self.changed]
        return library.declare(self.changed, replacing=names)

    def _check(
        self, library: LibraryWriter, space: EmbeddingSpace, imported: int, found: int
    ) -> None:
        held = self._info.spaces[space.name]
        # What nothing here can encode a query for came out of a table.
        elsewhere = imported or held.revision.startswith(IMPORTED) or not held.query_modalities
        if elsewhere and space.name not in self._only:
            raise PreconditionError(
                f"space {space.name!r} holds vectors that were made elsewhere (revision "
                f"{held.revision}) and cannot be made again here; nothing was changed. Index into "
                f"another library, or add --space {space.name} to give these vectors up",
                reason="REVISION_MISMATCH",
                metadata={"space": space.name, "library": held.revision},
            )
        if not (space.sparse or found) and cast(Library, library).count_tracks():
            raise PreconditionError(
                f"none of the sound files that space {space.name!r} was made of is at hand; is a "
                "drive missing? Nothing was changed; name the folders that they are in now",
                reason="FILES_MISSING",
                metadata={"space": space.name},
            )

    def settle(
        self, library: LibraryWriter, manifest: Manifest, words: Sequence[WordsEncoder]
    ) -> UpgradeReport:
        """Encode the words of tracks without files, and find those that lack a space still.

        Args:
            library: That was brought up to date.
            manifest: A connection of this thread's own.
            words: Encoders of words.
        """
        dense = [space for space in (*self.fitting, *self.changed) if not space.sparse]
        spaces = {space.name: space.revision for space in dense}
        without: list[Without] = []
        after: str | None = None
        while True:
            page = cast(Library, library).list_tracks(limit=_PAGE, after=after)
            if words:
                _words_anew(page.tracks, library, manifest, words)
            without += _lacking(page.tracks, library, manifest, spaces)
            after = page.next_after
            if after is None:
                break
        held = self._info.spaces
        renewed = [Renewed(s.name, held[s.name].revision, s.revision) for s in self.changed]
        return UpgradeReport(tuple(renewed), tuple(without))


def _words_anew(
    tracks: Sequence[Track],
    library: LibraryWriter,
    manifest: Manifest,
    words: Sequence[WordsEncoder],
) -> None:
    wanted = {encoder.space.name: encoder.space.revision for encoder in words}
    updates: list[TrackUpdate] = []
    with manifest.transaction():
        for track in tracks:
            row = manifest.track(track.id)
            if row is not None and wanted.items() <= row.spaces.items():
                continue
            vectors = {one.space.name: one.encode_words(track.payload) for one in words}
            updates.append(TrackUpdate(track.id, track.payload, vectors))
            if row is not None:
                manifest.put_track(replace(row, spaces={**row.spaces, **wanted}))
        if updates:
            library.update(updates)


def _lacking(
    tracks: Sequence[Track], library: LibraryWriter, manifest: Manifest, spaces: dict[str, str]
) -> Iterator[Without]:
    unsure: dict[str, tuple[str, ...]] = {}
    for track in tracks:
        row = manifest.track(track.id)
        known = {} if row is None else row.spaces
        lacks = tuple(name for name, revision in spaces.items() if known.get(name) != revision)
        if lacks:
            unsure[track.id] = lacks
    if not unsure or not isinstance(library, RecordReader):
        return
    # Another machine may have encoded these.
    for record in library.fetch_records(list(unsure)):
        told = {*record.vectors, *(name for s in record.segments for name in s.vectors)}
        lacks = tuple(name for name in unsure[record.id] if name not in told)
        if lacks:
            yield Without(record.id, Track(record.id, record.payload).paths, lacks)
