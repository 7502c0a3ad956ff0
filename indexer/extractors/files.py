"""Where the files of extractors go, and which of them are there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from indexer.extractors.protocol import Content, ExtractorDescription, Output
from indexer.extractors.record import Made, Record
from indexer.features_npy import replace_file
from indexer.formats import beats, chords_intervals, frames
from indexer.formats.beats import BeatTrack
from indexer.formats.chords import ChordTrack
from retrieval.core.errors import AudioError, InternalError, InvalidInputError


@dataclass(frozen=True, slots=True)
class FileJob:
    """One sound file.

    Attributes:
        path: Absolute.
        name: Relative name of its outputs, without extension.
        source: Digest of its bytes.
    """

    path: str
    name: str
    source: str


def read_bytes(path: str) -> bytes:
    """A whole sound file.

    Raises:
        AudioError: AUDIO_UNREADABLE.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error


class Writer:
    """Puts the files of extractors in their place; used by one thread."""

    def __init__(self, folder: Path, record: Record, *, overwrite: bool) -> None:
        """Set up.

        Args:
            folder: The output folder.
            record: Its record.
            overwrite: Replace files that something else made.
        """
        self._folder, self._record, self._overwrite = folder, record, overwrite

    def settled(
        self, file: FileJob, description: ExtractorDescription, revision: str
    ) -> Literal["cached", "copied"] | None:
        """Whether the files of these very bytes are there, or could be copied; None if neither.

        Raises:
            InvalidInputError: FILE_EXISTS: something else made the files that are there.
            OSError: A file cannot be copied.
        """
        rows = [self._record.known(output.path(file.name)) for output in description.outputs]
        if all(r and (r.source, r.revision) == (file.source, revision) for r in rows):
            return "cached"
        self._check(file, description.outputs)
        others = [
            self._record.of_source(file.source, revision, output.folder)
            for output in description.outputs
        ]
        return "copied" if self._copied(file, description.outputs, others) else None

    def same_sound(
        self, file: FileJob, track: str, description: ExtractorDescription, revision: str
    ) -> bool:
        """Whether the same sound was in another file whose outputs could be copied.

        Raises:
            OSError: A file cannot be copied.
        """
        others = [
            self._record.of_track(track, revision, output.folder) for output in description.outputs
        ]
        return self._copied(file, description.outputs, others)

    def write(
        self,
        file: FileJob,
        track: str,
        description: ExtractorDescription,
        revision: str,
        contents: Sequence[Content],
    ) -> None:
        """Write the outputs of one recording, each whole or not at all.

        Raises:
            BusyError: DISK_FULL.
            OSError: A file cannot be written.
        """
        for output, content in zip(description.outputs, contents, strict=True):
            path = output.path(file.name)
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._folder / path, _to_bytes(content))
            self._record.put(Made(path, output.folder, revision, file.source, track))

    def _check(self, file: FileJob, outputs: Iterable[Output]) -> None:
        for output in outputs:
            path = output.path(file.name)
            there = (self._folder / path).exists() and self._record.known(path) is None
            if there and not self._overwrite:
                raise InvalidInputError(
                    f"{self._folder / path} is there and was made by something else; "
                    "--overwrite replaces it",
                    reason="FILE_EXISTS",
                )

    def _copied(
        self, file: FileJob, outputs: Sequence[Output], others: Sequence[Made | None]
    ) -> bool:
        whole = [other for other in others if other is not None]
        if len(whole) < len(outputs):
            return False
        for output, other in zip(outputs, whole, strict=True):
            path = output.path(file.name)
            target = self._folder / path
            if other.path != path:
                target.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, (self._folder / other.path).read_bytes())
            self._record.put(Made(path, output.folder, other.revision, file.source, other.track))
        return True


def _to_bytes(content: Content) -> bytes:
    if isinstance(content, ChordTrack):
        return chords_intervals.to_text(content).encode()
    if isinstance(content, BeatTrack):
        return beats.to_text(content).encode()
    if not np.isfinite(content).all():
        raise InternalError("the network gave values that are not finite")
    return frames.to_bytes(content)
