"""``segue export``: a library's vectors as ``.npy`` files in the layout that imports read."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.features_folder import ExportFolder
from indexer.features_names import file_names, plain_name
from indexer.features_npy import EXTENSION
from indexer.report import Failure
from indexer.stopping import stopping_on_signals
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.filters import Filter
from retrieval.core.library import LibraryReader, RecordReader
from retrieval.core.spaces import EmbeddingSpace, Level
from retrieval.core.tracks import LibraryInfo, Track, TrackRecord

PAGE = 1_000
RECORDS = 64
"""Whole records held at once, vectors and segments included."""

Progress = Callable[[int, int], None]
"""Called with the tracks done so far and the tracks there are."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Choices of one export.

    Attributes:
        spaces: Which; empty means every space with vectors of whole tracks.
        filter: Which tracks.
        overwrite: Replace files that are there and are not of an earlier export.
    """

    spaces: tuple[str, ...] = ()
    filter: Filter | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did.

    Attributes:
        folder: Where the files are, by space.
        tracks: Tracks that passed the filter.
        written: Files written.
        unchanged: Files that were there just so.
        without: Tracks without a vector, by space.
        renamed: File name by track id, where an id was added because names are alike.
        failed: Files that could not be written: FILE_EXISTS or FILE_UNWRITABLE.
        notes: What is worth knowing but failed no file.
        seconds: Wall-clock time.
        interrupted: The export was stopped before its end.
    """

    folder: dict[str, str]
    tracks: int = 0
    written: int = 0
    unchanged: int = 0
    without: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    failed: tuple[Failure, ...] = ()
    notes: tuple[Failure, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of ``segue export --json``."""
        return {
            "spaces": self.folder,
            "tracks": self.tracks,
            "written": self.written,
            "unchanged": self.unchanged,
            "without": self.without,
            "renamed": self.renamed,
            "failed": [
                {"path": f.path, "reason": f.reason, "message": f.message} for f in self.failed
            ],
            "seconds": round(self.seconds, 3),
        }


def export_features(
    library: LibraryReader,
    folder: Path,
    options: ExportOptions,
    *,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ExportReport:
    """Write ``features/NAME.npy`` below a folder, or ``features/SPACE/NAME.npy`` of several spaces.

    Names and folders are those of the sound files below their indexed root. Beside the vectors lie
    ``space.json`` and ``tracks.jsonl``, by which an import knows every track again. Each file is
    written whole; a second export writes only what has changed.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE, UNIMPLEMENTED if the library gives no vectors, or
            TARGET_NOT_EMPTY if the folder holds vectors of another space or revision.
        BusyError: DISK_FULL.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    with stopping_on_signals(stop):
        info = library.info()
        spaces = exported_spaces(info, options.spaces)
        base = folder / "features"
        targets = [
            ExportFolder(
                s, base if len(spaces) == 1 else base / s.name, overwrite=options.overwrite
            )
            for s in spaces
        ]
        plain = {t.id: plain_name(t) for t in walk(library, options.filter, stop)}
        names = file_names(plain)
        done = 0
        with contextlib.ExitStack() as stack:
            for target in targets:
                stack.enter_context(target.opened(info))
            for record in read_records(library, list(names), stop):
                for target in targets:
                    target.write(record, names[record.id])
                done += 1
                if progress is not None and (done % RECORDS == 0 or done == len(names)):
                    progress(done, len(names))
            if not stop.is_set():
                for target in targets:
                    target.finish()
        counts: Counter[str] = sum((target.counts for target in targets), Counter())
        return ExportReport(
            folder={target.space.name: str(target.folder) for target in targets},
            tracks=done,
            written=counts["written"],
            unchanged=counts["unchanged"],
            without={t.space.name: t.counts["without"] for t in targets if t.counts["without"]},
            renamed={i: name + EXTENSION for i, name in names.items() if name != plain[i]},
            failed=tuple(failure for target in targets for failure in target.failed),
            notes=tuple(note for target in targets for note in target.notes),
            seconds=time.monotonic() - began,
            interrupted=stop.is_set(),
        )


def exported_spaces(info: LibraryInfo, names: Sequence[str]) -> tuple[EmbeddingSpace, ...]:
    """The dense spaces to export: those named, or every one of whole tracks.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE if there is no such space, or none at all.
        InvalidInputError: A named space holds words.
    """
    dense = {n: s for n, s in sorted(info.spaces.items()) if not s.sparse}
    for name in names:
        if name not in dense:
            there = ", ".join(dense) or "none"
            if name in info.spaces:
                raise InvalidInputError(f"space {name!r} holds words, no vectors; use: {there}")
            raise PreconditionError(
                f"this library has no space {name[:80]!r}; with vectors it has: {there}",
                metadata={"space": name[:80], "spaces": ",".join(dense)},
            )
    chosen = [dense[name] for name in dict.fromkeys(names)]
    chosen = chosen or [s for s in dense.values() if Level.TRACK in s.levels]
    if not chosen:
        raise PreconditionError("this library has no space with vectors to export")
    return tuple(chosen)


def walk(library: LibraryReader, filter: Filter | None, stop: threading.Event) -> Iterator[Track]:
    """The tracks that pass, page by page, without vectors."""
    after: str | None = None
    while not stop.is_set():
        page = library.list_tracks(filter, limit=PAGE, after=after)
        yield from page.tracks
        after = page.next_after
        if after is None:
            return


def read_records(
    library: LibraryReader, ids: Sequence[str], stop: threading.Event
) -> Iterator[TrackRecord]:
    """The whole records of these tracks, a bounded number at a time; those deleted are left out.

    Raises:
        PreconditionError: UNIMPLEMENTED if the library gives no vectors.
    """
    if not isinstance(library, RecordReader):
        raise PreconditionError(
            "this library gives no vectors back; open it without --address to export it",
            reason="UNIMPLEMENTED",
        )
    for start in range(0, len(ids), RECORDS):
        if stop.is_set():
            return
        yield from library.fetch_records(ids[start : start + RECORDS])
