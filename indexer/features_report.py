"""What an import of vectors did, and how it tells while it works."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from indexer.progress import Callback, Progress, Stage
from indexer.report import Failure
from indexer.scan import printable
from retrieval.core.spaces import EmbeddingSpace

_TELL_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """What an import of vectors did.

    Every word but ``removed`` counts files, each file once, so that in a run that was not
    interrupted ``found == added + updated + unchanged + duplicates + len(failed)``.

    Attributes:
        space: Where the vectors went.
        revision: Of the space.
        found: Files of vectors, and whatever else had to be refused.
        added: Vectors that are new in the library.
        updated: Vectors that replaced another one of the same file.
        unchanged: Vectors that the library had already.
        duplicates: Files with the same vector for the same recording as another file.
        removed: Vectors taken out because their file is gone (only with ``prune``).
        failed: The rest, one line each, by path: FEATURES_UNREADABLE, INVALID_VECTOR,
            FEATURES_UNMATCHED, FEATURES_AMBIGUOUS, FEATURES_UNLISTED, TRACK_NOT_FOUND,
            FILE_UNREADABLE, and those of a scan.
        seconds: Wall-clock time.
        notes: What is worth knowing but failed no file.
        interrupted: The run was stopped before it reached every file.
        unit: What is counted: files, or rows of a table.
    """

    space: str
    revision: str
    found: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    removed: int = 0
    failed: tuple[Failure, ...] = ()
    seconds: float = 0.0
    notes: tuple[Failure, ...] = ()
    interrupted: bool = False
    unit: str = "file"

    def as_dict(self) -> dict[str, Any]:
        """The object ``features`` of ``segue index --features --json``."""
        return {
            "space": self.space,
            "revision": self.revision,
            "found": self.found,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "duplicates": self.duplicates,
            "removed": self.removed,
            "failed": [
                {"path": f.path, "reason": f.reason, "message": f.message} for f in self.failed
            ],
            "seconds": round(self.seconds, 3),
        }

    def in_words(self) -> str:
        """A summary in a few sentences."""
        counts = (
            (self.added, "added"),
            (self.updated, "replaced"),
            (self.unchanged, "unchanged"),
            (self.duplicates, "duplicate" if self.duplicates == 1 else "duplicates"),
            (len(self.failed), "failed"),
        )
        parts = [f"{count} {word}" for count, word in counts if count]
        files = f"1 {self.unit}" if self.found == 1 else f"{self.found} {self.unit}s"
        words = f"Found {files} of vectors for space {self.space}, revision {self.revision}"
        words += f": {', '.join(parts)}." if parts else "."
        if self.removed:
            words += f" Took {self.removed} out of the library."
        if self.interrupted:
            words += " Stopped early: all finished work is kept; run the same command to go on."
        return words


class FeatureTally:
    """One import in numbers."""

    def __init__(self, progress: Callback | None) -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._told = 0.0
        self._found = 0
        self._counts: Counter[str] = Counter()
        self._failed: list[Failure] = []
        self._notes: list[Failure] = []
        self._space = self._revision = ""
        self.removed = 0

    def begin(self, found: int, failures: Iterable[Failure], space: EmbeddingSpace) -> None:
        """So many files were found, and this had to be refused."""
        self._failed.extend(failures)
        self._found = found + len(self._failed)
        self._space, self._revision = space.name, space.revision
        self._tell(Stage.INDEX)

    def settle(self, outcome: str, path: str) -> None:
        """A file is dealt with; the outcome is an attribute of the report."""
        self._counts[outcome] += 1
        self._tell(Stage.INDEX, path)

    def fail(self, failure: Failure) -> None:
        """A file could not be dealt with."""
        self._failed.append(failure)
        self._tell(Stage.INDEX, failure.path)

    def note(self, note: Failure) -> None:
        """Something worth knowing that failed no file."""
        self._notes.append(note)

    def finishing(self) -> None:
        """All files are dealt with."""
        self._tell(Stage.FINISH)

    def report(self, *, interrupted: bool) -> FeatureReport:
        """The report up to now."""
        return FeatureReport(
            space=self._space,
            revision=self._revision,
            found=self._found,
            added=self._counts["added"],
            updated=self._counts["updated"],
            unchanged=self._counts["unchanged"],
            duplicates=self._counts["duplicates"],
            removed=self.removed,
            failed=tuple(sorted(self._failed)),
            seconds=time.monotonic() - self._began,
            notes=tuple(self._notes),
            interrupted=interrupted,
        )

    def _tell(self, stage: Stage, path: str = "") -> None:
        now = time.monotonic()
        done = sum(self._counts.values()) + len(self._failed)
        quiet = now - self._told < _TELL_EVERY and stage is Stage.INDEX and done < self._found
        if self._progress is None or quiet:
            return
        self._told = now
        self._progress(
            Progress(
                stage=stage,
                total=self._found,
                done=done,
                failed=len(self._failed),
                elapsed=now - self._began,
                path=printable(path),
            )
        )
