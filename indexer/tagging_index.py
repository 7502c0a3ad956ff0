"""Tags in an index run: new tracks by the frozen thresholds, and the first list at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from indexer.manifest import Manifest
from indexer.tagging import begin_tagging, stop_tagging
from indexer.tagging_commit import write_tags
from indexer.tagging_file import Tagging, load_tagging, save_tagging, tagging_path
from indexer.tagging_labels import TAGGED_BY
from indexer.tagging_measure import (
    DEFAULT_THRESHOLD,
    StoppedError,
    Wish,
    is_current,
    pages,
    settle,
    unless,
    why_not,
)
from indexer.tagging_scores import Tagger
from retrieval.core.errors import PreconditionError
from retrieval.core.filters import Equals, Not
from retrieval.core.library import Library, LibraryWriter, VectorReader
from retrieval.core.tracks import LibraryInfo
from retrieval.encoders.protocol import Encoder
from retrieval.encoders.zero_shot import Label

Note = Callable[[str, str, str], None]
"""Called with a path, a reason and a message."""


class RunTagging:
    """What one index run does about tags.

    Attributes:
        tagger: Tags tracks as they are written; None while thresholds are not known.
    """

    def __init__(
        self,
        library: LibraryWriter,
        info: LibraryInfo,
        encoders: Mapping[str, Encoder],
        *,
        manifest_dir: Path,
        labels: tuple[Label, ...] | None,
        off: bool,
    ) -> None:
        """Find out what the library is tagged by.

        Args:
            library: To write to.
            info: What it is made of.
            encoders: By space.
            manifest_dir: Where its record is kept.
            labels: To tag by from now on; None for those remembered, if any.
            off: Tag no new tracks from now on.

        Raises:
            PreconditionError: If labels have to be measured and nothing here compares words with
                sound, or a field is taken (FIELD_TYPE_CONFLICT).
            StoreError: If what is remembered cannot be read or written.
        """
        self._path = tagging_path(manifest_dir, info.id)
        if off:
            stop_tagging(self._path)
        before = load_tagging(self._path)
        self._library, self._encoders, self._before = library, encoders, before
        self._wanted = labels or (before.labels if before is not None and before.on else None)
        self.tagger: Tagger | None = None
        if self._wanted is None:
            return
        if not isinstance(library, VectorReader):
            raise PreconditionError(
                "this library cannot be read as a whole, which tags need", reason="UNIMPLEMENTED"
            )
        if before is not None and before.labels == self._wanted and is_current(before, info):
            if not before.on:
                begin_tagging(library, replace(before, on=True), self._path)
            self.tagger = Tagger(before)
        else:
            problem = why_not(info, encoders)
            if problem is not None:
                raise problem

    def finish(self, manifest: Manifest, note: Note, stopped: Callable[[], bool]) -> bool:
        """Tag what is not tagged by this list yet, and measure the list first if need be.

        Args:
            manifest: Used in this thread only.
            note: Told if the library is too small to measure anything on.
            stopped: Asked whether to end early.

        Returns:
            Whether it came to its end.
        """
        if self._wanted is None:
            return True
        library = cast(Library, self._library)
        try:
            tagger = self.tagger or self._measured(library, self._wanted, stopped)
        except StoppedError:
            return False
        except PreconditionError as error:
            if error.reason != "TOO_FEW_TRACKS":
                raise
            # Remembered, so that the run that brings enough tracks measures them.
            save_tagging(self._path, Tagging(self._wanted, self._threshold(), {}))
            note(str(self._path), error.reason, f"no tags yet: {error.message}")
            return True
        fields = library.info().fields
        for page in pages(library, Not(Equals(TAGGED_BY.name, tagger.revision))):
            new = tagger.payloads([record.vectors for record in page])
            write_tags(library, manifest, page, new, fields)
            if stopped():
                return False
        return True

    def _measured(
        self, library: Library, labels: tuple[Label, ...], stopped: Callable[[], bool]
    ) -> Tagger:
        tagging = settle(Wish(labels), self._before, library, self._encoders, unless(stopped))
        begin_tagging(library, tagging, self._path)
        return Tagger(tagging)

    def _threshold(self) -> float:
        return DEFAULT_THRESHOLD if self._before is None else self._before.threshold
