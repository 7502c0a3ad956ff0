"""What was extracted from what: the record that lets a second run skip, by content and revision."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from retrieval.core.closing import Closing

RECORD = ".segue-extract.sqlite"
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS made (
    path BLOB PRIMARY KEY,
    folder TEXT NOT NULL,
    revision TEXT NOT NULL,
    source TEXT NOT NULL,
    track TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS made_of_source ON made (source, revision, folder);
CREATE INDEX IF NOT EXISTS made_of_track ON made (track, revision, folder);
"""


@dataclass(frozen=True, slots=True)
class Made:
    """One file that was made.

    Attributes:
        path: Relative to the output folder.
        folder: Of the output it belongs to.
        revision: Of the extractor.
        source: Digest of the sound file's bytes.
        track: Identity of its decoded sound.
    """

    path: str
    folder: str
    revision: str
    source: str
    track: str


class Record(Closing):
    """The record of one output folder; a context manager, used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Args:
            folder: The output folder, which exists.
        """
        self._folder = folder
        self._db = sqlite3.connect(folder / RECORD, timeout=30.0, isolation_level=None)
        try:
            if self._db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                self._db.execute("DROP TABLE IF EXISTS made")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except BaseException:
            self._db.close()
            raise

    def known(self, path: str) -> Made | None:
        """The row of a file that is still as it was made; None if it is not, or not ours."""
        rows = self._rows("path = ?", (_encoded(path),))
        return rows[0] if rows else None

    def of_source(self, source: str, revision: str, folder: str) -> Made | None:
        """An unchanged file made from these very bytes."""
        found = self._rows("source = ? AND revision = ? AND folder = ?", (source, revision, folder))
        return found[0] if found else None

    def of_track(self, track: str, revision: str, folder: str) -> Made | None:
        """An unchanged file made from the same sound in another file."""
        found = self._rows("track = ? AND revision = ? AND folder = ?", (track, revision, folder))
        return found[0] if found else None

    def put(self, made: Made) -> None:
        """Remember a file that was just written."""
        status = (self._folder / made.path).stat()
        row = (made.folder, made.revision, made.source, made.track)
        self._db.execute(
            "INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, ?, ?)",
            (_encoded(made.path), *row, status.st_size, status.st_mtime_ns),
        )

    def close(self) -> None:
        """Close it; idempotent."""
        self._db.close()

    def _rows(self, where: str, values: tuple[object, ...]) -> list[Made]:
        query = f"SELECT * FROM made WHERE {where} ORDER BY path"  # noqa: S608 - our own words
        kept = []
        for path, folder, revision, source, track, size, mtime_ns in self._db.execute(
            query, values
        ):
            made = Made(_decoded(path), folder, revision, source, track)
            try:
                status = (self._folder / made.path).stat()
            except OSError:
                continue
            if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
                kept.append(made)
        return kept


def _encoded(path: str) -> bytes:
    # Names of files need not be Unicode.
    return path.encode("utf-8", "surrogateescape")


def _decoded(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
