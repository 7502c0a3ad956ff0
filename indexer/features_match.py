"""Which track a file of vectors belongs to: by an export's own list, by name, or on its own."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.features_layout import TRACKS_FILE, Layout, normal
from indexer.manifest import Manifest
from indexer.report import Failure
from indexer.scan import FoundFile, printable
from indexer.tags import path_fields
from retrieval.core.payload import STANDARD_FIELDS, Payload, PayloadValue

# Of the file and of the import, not of the sound: written anew by every one.
_OF_FILES = frozenset({"format", "paths", "folder", "indexed_at"})
_COMPUTED = frozenset(f.name for f in STANDARD_FIELDS if f.computed) - _OF_FILES


@dataclass(frozen=True, slots=True)
class Target:
    """Where a vector goes.

    Attributes:
        track_id: The recording.
        alone: Make the recording if the library lacks it, and keep it without a sound file.
        payload: Of a recording that is made.
    """

    track_id: str
    alone: bool
    payload: Payload = field(default_factory=dict)

    @property
    def computed(self) -> dict[str, PayloadValue]:
        """The fields that follow from the sound, to be kept when a sound file turns up."""
        return {name: value for name, value in self.payload.items() if name in _COMPUTED}


def relative_name(file: FoundFile) -> str:
    """A file's name below its root, as names compare."""
    return normal(os.path.relpath(printable(file.path), printable(file.root)))


def name_id(relative: str) -> str:
    """The id of a track known only by the name, without extension, of its file of vectors.

    The same in every library, so that vectors of two spaces under one name meet in one track.
    """
    digest = hashlib.blake2b(b"segue imported vectors\0", digest_size=16)
    digest.update(relative.encode())
    return digest.hexdigest()


class SoundNames:
    """The recordings of the indexed sound files, by their names below the given paths."""

    def __init__(self, manifest: Manifest, roots: Iterable[str]) -> None:
        """Read the names of what is indexed.

        Args:
            manifest: What is committed.
            roots: Folders and files, as the scan found them.
        """
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._by_stem: dict[str, set[str]] = defaultdict(set)
        for root in roots:
            for row in manifest.files_under(root):
                if row.missing:
                    continue
                base = root if row.path != root else str(Path(root).parent)
                name = _bare(normal(os.path.relpath(printable(row.path), printable(base))))
                self._by_name[name].add(row.track_id)
                self._by_stem[_stem(name)].add(row.track_id)

    def find(self, name: str, *, stem_too: bool) -> set[str]:
        """Recordings whose file has this relative name, or else, if wanted, its last part."""
        found = self._by_name.get(name, set())
        return found or (self._by_stem.get(_stem(name), set()) if stem_too else set())


class Matcher:
    """Finds the target of each file; refuses what could mean two."""

    def __init__(
        self,
        files: Sequence[FoundFile],
        layout: Layout | None,
        sounds: SoundNames | None,
        manifest: Manifest,
    ) -> None:
        """Look at all names together.

        Args:
            files: Files of vectors.
            layout: What the folder says of itself.
            sounds: What to attach to; None makes tracks of the vectors alone.
            manifest: What is committed.
        """
        self._layout, self._sounds, self._manifest = layout, sounds, manifest
        names = [_bare(relative_name(file)) for file in files]
        self._names: Mapping[str, int] = Counter(names)
        self._stems: Mapping[str, int] = Counter(map(_stem, names))

    def match(self, file: FoundFile) -> Target | Failure:
        """The target of a file, or why it has none."""
        relative = relative_name(file)
        name = _bare(relative)
        if self._names[name] > 1:
            return _failure(file, "FEATURES_AMBIGUOUS", "another file's name differs in spelling")
        named = self._layout.tracks.get(relative) if self._layout is not None else None
        if self._sounds is None:
            if named is not None:
                return Target(named.track_id, True, named.payload)
            if self._layout is not None:
                return _failure(
                    file,
                    "FEATURES_UNLISTED",
                    f"{TRACKS_FILE} does not list it; move that file away to import by file name",
                )
            payload = path_fields(printable(file.path), printable(file.root))
            return Target(name_id(name), True, payload)
        if named is not None and self._manifest.track(named.track_id) is not None:
            return Target(named.track_id, False)
        found = self._sounds.find(name, stem_too=self._stems[_stem(name)] == 1)
        if len(found) == 1:
            return Target(next(iter(found)), False)
        if found:
            message = f"{len(found)} recordings have files of this name; rename one, and it"
            return _failure(file, "FEATURES_AMBIGUOUS", message)
        message = "no indexed sound file has this name, with any extension"
        if self._stems[_stem(name)] > 1:
            message += f", in this folder; {self._stems[_stem(name)]} files of vectors share it"
        return _failure(file, "FEATURES_UNMATCHED", message)


def _bare(name: str) -> str:
    """The name without its extension."""
    return os.path.splitext(name)[0]  # noqa: PTH122 - a text, and "." means itself


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


def _failure(file: FoundFile, reason: str, message: str) -> Failure:
    return Failure(printable(file.path), reason, message)
