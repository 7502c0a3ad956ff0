"""What has to be done for each file found, told from its size and time alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from indexer.manifest import Manifest
from indexer.rows import FileRow, TrackRow
from indexer.scan import FoundFile, is_under
from indexer.tags import REVISION
from retrieval.core.payload import Payload


class Step(Enum):
    """The next thing to do for a file."""

    NOTHING = "nothing"
    WRITE = "write"
    """The sound is known; its row, payload or words may have changed."""
    ENCODE = "encode"
    """The sound is known, but a space or a description is missing."""
    PROBE = "probe"
    """New or changed: tags and stream digest must be read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one file.

    Attributes:
        file: The file found.
        step: What to do next.
        root: The outermost root it is known under.
        sidecar: Its values from the metadata sidecar.
        row: The row it will have, except for PROBE.
        spaces: Audio spaces to encode it in, for ENCODE.
        descriptors: Names of those to describe it by, for ENCODE.
    """

    file: FoundFile
    step: Step
    root: str
    sidecar: Payload
    row: FileRow | None = None
    spaces: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()


class Planner:
    """Decides by the manifest."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        audio: Mapping[str, str],
        words: Mapping[str, str],
        sidecar: Mapping[str, Payload] | None,
        can_add_spaces: bool,
        descriptors: Mapping[str, int],
    ) -> None:
        """Decide nothing yet.

        Args:
            manifest: What is committed.
            audio: Revision by audio space.
            words: Revision by words space.
            sidecar: Values by path; None if no sidecar is given, which keeps the earlier values.
            can_add_spaces: Whether single spaces can be added to a track that is there.
            descriptors: Version by name.
        """
        self._manifest = manifest
        self._audio = audio
        self._words = words
        self._sidecar = sidecar
        self._can_add_spaces = can_add_spaces
        self._descriptors = descriptors

    def plan(self, file: FoundFile) -> Plan:
        """What to do for a file."""
        before = self._manifest.file(file.path)
        sidecar = self._sidecar_values(file.path, before)
        root = _outermost(file.root, before)
        stat = (file.size, file.mtime_ns)
        if (
            before is None
            or (before.size, before.mtime_ns) != stat
            or before.tags_revision != REVISION
        ):
            return Plan(file, Step.PROBE, root, sidecar)
        row = replace(before, root=root, sidecar=sidecar, missing=False)
        track = self._manifest.track(row.track_id)
        if track is None:
            return Plan(file, Step.PROBE, root, sidecar)
        missing, untold = self.missing_spaces(track), self.missing_descriptors(track)
        if missing or untold:
            return Plan(file, Step.ENCODE, root, sidecar, row, missing, untold)
        stale_words = not self._words.items() <= track.spaces.items()
        step = Step.WRITE if row != before or stale_words else Step.NOTHING
        return Plan(file, step, root, sidecar, row)

    def missing_spaces(self, track: TrackRow | None) -> tuple[str, ...]:
        """Audio spaces that a recording must be encoded in; all of them if it is new."""
        if track is None:
            return tuple(self._audio)
        missing = tuple(s for s, rev in self._audio.items() if track.spaces.get(s) != rev)
        return tuple(self._audio) if missing and not self._can_add_spaces else missing

    def missing_descriptors(self, track: TrackRow | None) -> tuple[str, ...]:
        """Names of the descriptors that a recording was not, or long ago, described by."""
        known = {} if track is None else track.described
        return tuple(name for name, v in self._descriptors.items() if known.get(name) != v)

    def _sidecar_values(self, path: str, before: FileRow | None) -> Payload:
        if self._sidecar is not None:
            return self._sidecar.get(path, {})
        return before.sidecar if before is not None else {}


def _outermost(root: str, before: FileRow | None) -> str:
    """Indexing a folder inside one that was indexed before takes no folder words away."""
    return before.root if before is not None and is_under(root, before.root) else root
