"""One folder of exported vectors: taken over, filled, and then listed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from indexer.features_layout import (
    SPACE_FILE,
    TRACKS_FILE,
    head_bytes,
    line_bytes,
    normal,
    read_files,
    read_head,
)
from indexer.features_npy import EXTENSION, holds, raise_if_full, replace_file, to_bytes
from indexer.report import Failure
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.payload import STANDARD_FIELDS, Field
from retrieval.core.spaces import EmbeddingSpace, SparseVector
from retrieval.core.tracks import LibraryInfo, Track, TrackRecord


class ExportFolder:
    """The folder of one space's vectors.

    Attributes:
        space: Whose vectors these are.
        folder: Where they are.
        counts: Tracks ``written``, ``unchanged`` and ``without`` a vector.
        failed: Files that could not be written.
        notes: What is worth knowing but failed no file.
    """

    def __init__(self, space: EmbeddingSpace, folder: Path, *, overwrite: bool) -> None:
        """Touch nothing yet.

        Args:
            space: Whose vectors are written.
            folder: Where to.
            overwrite: As in ``ExportOptions``.
        """
        self.space, self.folder, self._overwrite = space, folder, overwrite
        self.counts: Counter[str] = Counter()
        self.failed: list[Failure] = []
        self.notes: list[Failure] = []
        self._made: set[Path] = set()
        self._earlier: set[str] = set()
        self._listed: set[str] = set()
        self._lines: BinaryIO | None = None

    @contextlib.contextmanager
    def opened(self, info: LibraryInfo) -> Iterator[None]:
        """Take the folder over: until ``finish`` an import can tell that it is incomplete.

        Raises:
            PreconditionError: TARGET_NOT_EMPTY if it holds vectors of another space or revision.
            BusyError: DISK_FULL.
        """
        self._check()
        head = head_bytes(self.space, _own_fields(info))
        part = self.folder / f".{TRACKS_FILE}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not holds(self.folder / SPACE_FILE, head):
                (self.folder / TRACKS_FILE).unlink(missing_ok=True)
                replace_file(self.folder / SPACE_FILE, head)
            with part.open("wb") as self._lines:
                yield
        except OSError as error:
            raise_if_full(error, self.folder)
            raise InvalidInputError(
                f"{self.folder}: cannot be written: {error.strerror or error}"
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def write(self, record: TrackRecord, name: str) -> None:
        """Write one track's vector, if it has one."""
        vector = record.vectors.get(self.space.name)
        if vector is None or isinstance(vector, SparseVector):
            self.counts["without"] += 1
            return
        path = self.folder / (name + EXTENSION)
        data = to_bytes(vector)
        try:
            if path.parent not in self._made:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(path.parent)
            if holds(path, data):
                self.counts["unchanged"] += 1
            elif path.exists() and not (self._overwrite or normal(name) in self._earlier):
                message = "another file is there; --overwrite replaces it"
                self.failed.append(Failure(str(path), "FILE_EXISTS", message))
                return
            else:
                replace_file(path, data)
                self.counts["written"] += 1
        except OSError as error:
            message = f"cannot be written: {error.strerror or error}"
            self.failed.append(Failure(str(path), "FILE_UNWRITABLE", message))
            return
        self._list(record, name)

    def finish(self) -> None:
        """Put the list of tracks in its place."""
        stale = len(self._earlier - self._listed)
        if stale:
            files = "1 file" if stale == 1 else f"{stale} files"
            message = f"{files} of an earlier export are not part of this one"
            self.notes.append(Failure(str(self.folder), "STALE_FILES", message))
        if self._lines is not None:
            self._lines.flush()
            Path(self._lines.name).replace(self.folder / TRACKS_FILE)

    def _list(self, record: TrackRecord, name: str) -> None:
        track = Track(record.id, record.payload)
        line = line_bytes(name + EXTENSION, record.id, self.space, track.paths, record.payload)
        if self._lines is not None:
            self._lines.write(line)
        self._listed.add(normal(name))

    def _check(self) -> None:
        """Vectors of two revisions must never lie in one folder."""
        try:
            head = read_head(self.folder)
            self._earlier = {name.removesuffix(EXTENSION) for name in read_files(self.folder)}
        except InvalidInputError:
            if self._overwrite:
                return
            raise
        same = head is None or (head.name, head.revision) == (self.space.name, self.space.revision)
        if head is not None and not same and not self._overwrite:
            raise PreconditionError(
                f"{self.folder} holds vectors of space {head.name!r}, revision {head.revision}; "
                "export to another folder, or replace them with --overwrite",
                reason="TARGET_NOT_EMPTY",
                metadata={"folder": str(self.folder)},
            )


def _own_fields(info: LibraryInfo) -> list[Field]:
    standard = {one.name for one in STANDARD_FIELDS}
    return [one for name, one in info.fields.items() if name not in standard]
