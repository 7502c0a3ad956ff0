"""The manifest: what is committed to one library, in SQLite.

A row is here only if the library has it too, because the library is written first and the manifest
committed after it. A process killed in between does the same write again on the next run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from indexer.rows import FileRow, TrackRow, dump, parse
from retrieval.core.closing import Closing
from retrieval.core.errors import StoreError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tracks (
    track_id TEXT PRIMARY KEY,
    computed TEXT NOT NULL,
    indexed_at TEXT NOT NULL,
    payload_digest TEXT NOT NULL,
    spaces TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE files (
    path BLOB PRIMARY KEY,
    root BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    stream_digest TEXT,
    track_id TEXT NOT NULL REFERENCES tracks (track_id) DEFERRABLE INITIALLY DEFERRED,
    format TEXT NOT NULL,
    tags TEXT NOT NULL,
    tags_revision INTEGER NOT NULL,
    sidecar TEXT NOT NULL,
    missing INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX files_by_track ON files (track_id);
CREATE INDEX files_by_digest ON files (stream_digest);
"""
# Added to the manifests of earlier versions as they are opened.
_LATER = """
CREATE TABLE IF NOT EXISTS described (
    track_id TEXT PRIMARY KEY REFERENCES tracks (track_id) ON DELETE CASCADE,
    versions TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS features (
    path BLOB NOT NULL,
    space TEXT NOT NULL,
    root BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    revision TEXT NOT NULL,
    track_id TEXT NOT NULL,
    alone INTEGER NOT NULL,
    PRIMARY KEY (path, space)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS features_by_track ON features (track_id);
"""
_FILE = (
    "path, root, size, mtime_ns, stream_digest, track_id, format, tags, tags_revision, sidecar, "
    "missing"
)


def manifest_path(folder: Path, library_id: str) -> Path:
    """Where the manifest of a library lies.

    The id may come from a service, so that only its digest becomes part of a path.
    """
    digest = hashlib.blake2b(library_id.encode(), digest_size=8).hexdigest()
    return folder / f"manifest-{digest}.sqlite"


class RunLock(Closing):
    """Keeps a second run off a manifest; a context manager, released however the process ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: STORE_LOCKED if another run has it.
        """
        self._file = path.with_suffix(".lock").open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StoreError(
                f"another index run is using {path}; wait for it or stop it",
                reason="STORE_LOCKED",
                metadata={"manifest": str(path)},
            ) from error

    def close(self) -> None:
        """Let another run have the manifest."""
        self._file.close()


class Manifest:
    """One connection to a manifest. Any thread may use it, one at a time."""

    def __init__(self, path: Path, library_id: str) -> None:
        """Open the manifest, or start it anew if it is of another library, version or broken.

        Args:
            path: The SQLite file; its folder must be there.
            library_id: The library it must belong to.

        Raises:
            StoreError: If the file cannot be opened or made.
        """
        try:
            try:
                self._db = _open(path, library_id)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                # Not a database any more. What it knew can be found out again.
                for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                    name.unlink(missing_ok=True)
                self._db = _open(path, library_id)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"manifest {path}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside become durable together, or not at all if the block raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    # Questions

    def file(self, path: str) -> FileRow | None:
        """The row of a path."""
        return next(self._files("path = ?", os.fsencode(path)), None)

    def files_of(self, track_id: str) -> list[FileRow]:
        """The rows of a recording, by path."""
        return list(self._files("track_id = ?", track_id))

    def files_under(self, root: str) -> Iterator[FileRow]:
        """The row of this path and those of all paths below it, by path."""
        prefix = os.fsencode(root).rstrip(b"/") + b"/"
        below = prefix[:-1] + b"0"  # the byte after "/"
        yield from self._files(
            "path = ? OR (path > ? AND path < ?)", os.fsencode(root), prefix, below
        )

    def file_with_digest(self, stream_digest: str) -> FileRow | None:
        """The first file, by path, with this stream digest."""
        return next(self._files("stream_digest = ?", stream_digest), None)

    def track(self, track_id: str) -> TrackRow | None:
        """The row of a recording."""
        row = self._db.execute(
            "SELECT track_id, computed, indexed_at, payload_digest, spaces, versions FROM tracks "
            "LEFT JOIN described USING (track_id) WHERE track_id = ?",
            (track_id,),
        ).fetchone()
        if row is None:
            return None
        described = json.loads(row[5] or "{}")
        return TrackRow(row[0], parse(row[1]), row[2], row[3], json.loads(row[4]), described)

    def orphans(self) -> list[str]:
        """Recordings that neither a sound file nor an imported vector is left for."""
        rows = self._db.execute(
            "SELECT track_id FROM tracks WHERE NOT EXISTS "
            "(SELECT 1 FROM files WHERE files.track_id = tracks.track_id) AND NOT EXISTS "
            "(SELECT 1 FROM features WHERE features.track_id = tracks.track_id AND alone) "
            "ORDER BY track_id"
        )
        return [str(row[0]) for row in rows]

    def count_encoded(self, space: str) -> int:
        """How many recordings were encoded in a space."""
        row = self._db.execute(
            "SELECT count(*) FROM tracks WHERE json_extract(spaces, '$.' || ?) IS NOT NULL",
            (json.dumps(space),),
        ).fetchone()
        return int(row[0])

    def undescribed(
        self, name: str, version: int, *, unless: str, after: str, limit: int
    ) -> list[str]:
        """Recordings in files that are not described by this version of a descriptor, by id.

        Args:
            name: Of the descriptor.
            version: The one there is now.
            unless: Another one, of which any version will do as well.
            after: The id they come after.
            limit: How many at most.
        """
        rows = self._db.execute(
            "SELECT track_id FROM tracks LEFT JOIN described USING (track_id) WHERE track_id > ? "
            "AND json_extract(versions, '$.' || ?) IS NOT ? "
            "AND json_extract(versions, '$.' || ?) IS NULL "
            "AND EXISTS (SELECT 1 FROM files WHERE files.track_id = tracks.track_id) "
            "ORDER BY track_id LIMIT ?",
            (after, json.dumps(name), version, json.dumps(unless), limit),
        )
        return [str(row[0]) for row in rows]

    @property
    def unoptimized(self) -> bool:
        """Whether something was written since the library was last optimized."""
        return self._meta("unoptimized") == "1"

    @unoptimized.setter
    def unoptimized(self, value: bool) -> None:
        self._set_meta("unoptimized", "1" if value else "0")

    def device(self, root: str) -> int | None:
        """The device that a root was on when files were last found under it."""
        value = self._meta(f"device {os.fsencode(root).hex()}")
        return int(value) if value is not None else None

    def set_device(self, root: str, device: int) -> None:
        """Remember the device of a root."""
        self._set_meta(f"device {os.fsencode(root).hex()}", str(device))

    def _meta(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # Changes, inside a transaction

    def put_track(self, row: TrackRow) -> None:
        """Add or replace a recording."""
        self._db.execute(
            "INSERT INTO tracks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "computed = excluded.computed, indexed_at = excluded.indexed_at, "
            "payload_digest = excluded.payload_digest, spaces = excluded.spaces",
            (
                row.track_id,
                dump(row.computed),
                row.indexed_at,
                row.payload_digest,
                json.dumps(dict(row.spaces), sort_keys=True),
            ),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO described VALUES (?, ?)",
            (row.track_id, json.dumps(dict(row.described), sort_keys=True)),
        )

    def put_file(self, row: FileRow) -> None:
        """Add or replace a file; its recording must be there by the end of the transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(row.path),
                os.fsencode(row.root),
                row.size,
                row.mtime_ns,
                row.stream_digest,
                row.track_id,
                row.format,
                dump(row.tags),
                row.tags_revision,
                dump(row.sidecar),
                int(row.missing),
            ),
        )

    def delete_file(self, path: str) -> None:
        """Forget a file."""
        self._db.execute("DELETE FROM files WHERE path = ?", (os.fsencode(path),))

    def delete_tracks(self, track_ids: Sequence[str]) -> None:
        """Forget recordings, their files and their imported vectors."""
        ids = [(track_id,) for track_id in track_ids]
        self._db.executemany("DELETE FROM features WHERE track_id = ?", ids)
        self._db.executemany("DELETE FROM files WHERE track_id = ?", ids)
        self._db.executemany("DELETE FROM tracks WHERE track_id = ?", ids)

    def _files(self, where: str, *values: object) -> Iterator[FileRow]:
        query = f"SELECT {_FILE} FROM files WHERE {where} ORDER BY path"  # noqa: S608 - constants
        for row in self._db.execute(query, values):
            yield FileRow(
                path=os.fsdecode(row[0]),
                root=os.fsdecode(row[1]),
                size=row[2],
                mtime_ns=row[3],
                stream_digest=row[4],
                track_id=row[5],
                format=row[6],
                tags=parse(row[7]),
                tags_revision=row[8],
                sidecar=parse(row[9]),
                missing=bool(row[10]),
            )


def _open(path: Path, library_id: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == SCHEMA_VERSION:
            row = db.execute("SELECT value FROM meta WHERE name = 'library'").fetchone()
            if row and row[0] == library_id:
                db.executescript(_LATER)
                return db
        db.execute("BEGIN IMMEDIATE")
        db.execute("PRAGMA defer_foreign_keys = ON")
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            db.execute(f'DROP TABLE "{name}"')
        for statement in filter(str.strip, (_SCHEMA + _LATER).split(";")):
            db.execute(statement)
        db.execute("INSERT INTO meta VALUES ('library', ?)", (library_id,))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db
