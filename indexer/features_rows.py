"""What the manifest remembers of imported vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from indexer.manifest import Manifest

_COLUMNS = "path, space, root, size, mtime_ns, digest, revision, track_id, alone"


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One file of vectors whose vector is in the library.

    Attributes:
        path: Absolute path.
        space: The space it was imported into.
        root: The folder it was imported from.
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since 1970.
        digest: Of its bytes.
        revision: Of the space.
        track_id: The recording that has the vector.
        alone: Whether the recording stays without a sound file, for the vector's sake.
    """

    path: str
    space: str
    root: str
    size: int
    mtime_ns: int
    digest: str
    revision: str
    track_id: str
    alone: bool


class FeatureManifest(Manifest):
    """A manifest that also answers about imported vectors."""

    def features(self, path: str, space: str) -> FeatureRow | None:
        """The row of a file."""
        return next(self._features("path = ? AND space = ?", os.fsencode(path), space), None)

    def features_under(self, root: str, space: str) -> Iterator[FeatureRow]:
        """The rows of files in or below a folder, by path."""
        prefix = os.fsencode(root).rstrip(b"/") + b"/"
        below = prefix[:-1] + b"0"  # the byte after "/"
        yield from self._features("space = ? AND path > ? AND path < ?", space, prefix, below)

    def features_of(self, track_id: str) -> list[FeatureRow]:
        """The rows of a recording, by path."""
        return list(self._features("track_id = ?", track_id))

    def put_features(self, row: FeatureRow) -> None:
        """Add or replace a row, inside a transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(row.path),
                row.space,
                os.fsencode(row.root),
                row.size,
                row.mtime_ns,
                row.digest,
                row.revision,
                row.track_id,
                int(row.alone),
            ),
        )

    def delete_features(self, path: str, space: str) -> None:
        """Forget a row, inside a transaction."""
        self._db.execute(
            "DELETE FROM features WHERE path = ? AND space = ?", (os.fsencode(path), space)
        )

    def _features(self, where: str, *values: object) -> Iterator[FeatureRow]:
        query = f"SELECT {_COLUMNS} FROM features WHERE {where} ORDER BY path"  # noqa: S608 - constants
        for row in self._db.execute(query, values):
            yield FeatureRow(
                path=os.fsdecode(row[0]),
                space=row[1],
                root=os.fsdecode(row[2]),
                size=row[3],
                mtime_ns=row[4],
                digest=row[5],
                revision=row[6],
                track_id=row[7],
                alone=bool(row[8]),
            )
