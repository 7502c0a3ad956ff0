"""Outputs that were made elsewhere: read as hostile, and taken in the place of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from indexer.formats import (
    chords_seconds,
    emotion,
    frames,
    midi,
    scenes,
    seconds,
)
from indexer.formats.chords import read_chords
from indexer.formats.files import bad

EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "motion": (".lab",),
    "semantic": (".npy",),
    "emotion": (".lab",),
    "scene": (".lab",),
    "loudness": (".lab",),
    "chord": (".lab", ".csv"),
    "midi": (".mid", ".midi"),
    "note_density": (".lab",),
}
"""Steps that can be given, and what their files may be called."""


class Given:
    """A folder with files made elsewhere: ``FOLDER/STEP/NAME.EXTENSION``."""

    def __init__(self, folder: Path | None) -> None:
        """Set up.

        Args:
            folder: None if nothing is given.
        """
        self._folder = folder

    def find(self, step: str, name: str) -> Path | None:
        """The file for a step of a video: by its name in the dataset, or by its stem alone."""
        if self._folder is None:
            return None
        for extension in EXTENSIONS.get(step, ()):
            for called in dict.fromkeys((name, Path(name).name)):
                path = self._folder / step / f"{called}{extension}"
                if path.is_file():
                    return path
        return None

    def read(self, step: str, path: Path) -> bytes:
        """The file as the step would have written it.

        Raises:
            InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
        """
        return _READERS[step](path)


def _chords(path: Path) -> bytes:
    track = read_chords(path)
    if track.missing:
        raise bad(path, "all of it is N: the recognition failed, so the chords are missing")
    return chords_seconds.to_text(track).encode()


def _numbers(bounds: tuple[float, float]) -> Callable[[Path], bytes]:
    return lambda path: seconds.to_text(seconds.read(path, bounds)).encode()


def _notes(path: Path) -> bytes:
    return midi.to_bytes(*midi.read(path))


_READERS: Mapping[str, Callable[[Path], bytes]] = {
    "motion": _numbers(seconds.MOTION),
    "semantic": lambda path: frames.to_bytes(frames.read(path, frames.LAYOUTS["clip"])),
    "emotion": lambda path: emotion.to_text(emotion.read(path)).encode(),
    "scene": lambda path: scenes.to_text(*scenes.read(path)).encode(),
    "loudness": _numbers(seconds.LOUDNESS),
    "chord": _chords,
    "midi": _notes,
    "note_density": _numbers(seconds.NOTE_DENSITY),
}
