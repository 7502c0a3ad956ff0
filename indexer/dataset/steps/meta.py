"""Step 11: what a generator reads of one video: every series at 1 Hz, padded to one length."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.dataset.clips import SECONDS
from indexer.dataset.graph import Work
from indexer.features_npy import replace_file
from indexer.formats import emotion, scenes, seconds, vocabulary
from indexer.formats.chord_names import chord_names
from indexer.formats.chords import read_chords

VOCABULARY = "chord.json"


class Meta:
    """``.npz`` of the chord ids and whatever else there is, each ``SECONDS`` rows long.

    Rows past the end are 0; ``length`` tells how many count. Chord ids are those of the dataset's
    vocabulary, to which new names are added and from which none is ever taken.
    """

    name = "meta"
    version = 1
    extension = ".npz"
    needs: tuple[str, ...] = ("chord",)
    uses: tuple[str, ...] = (
        *("motion", "semantic", "emotion", "scene", "loudness", "note_density"),
    )

    def __init__(self, root: Path) -> None:
        self._vocabulary = root / VOCABULARY

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"seconds": SECONDS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        names = read_chords(work.inputs["chord"]).by_second()
        ids = self._ids(names)
        arrays: dict[str, NDArray[Any]] = {"chord": np.asarray([ids[name] for name in names])}
        for name, path in work.inputs.items():
            arrays |= _arrays(name, path)
        # The picture's length, where there is one: sound may go on after it.
        longest = "motion" if "motion" in arrays else "chord"
        length = min(SECONDS, len(arrays[longest]))
        padded = {name: _padded(values) for name, values in arrays.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, length=np.int32(length), **padded)  # type: ignore[arg-type] # no flag is called so
        work.target.write_bytes(buffer.getvalue())

    def _ids(self, names: list[str]) -> dict[str, int]:
        begin_vocabulary(self._vocabulary.parent)
        known = vocabulary.read(self._vocabulary)
        grown = vocabulary.extend(known, names)
        if grown != known:
            replace_file(self._vocabulary, vocabulary.to_text(grown).encode())
        return vocabulary.by_chord(grown)


def begin_vocabulary(root: Path) -> None:
    """Give a dataset the ids of all 157 chords, if it has none."""
    if not (root / VOCABULARY).exists():
        ids = vocabulary.extend({}, chord_names())
        replace_file(root / VOCABULARY, vocabulary.to_text(ids).encode())


def _arrays(step: str, path: Path) -> dict[str, NDArray[Any]]:
    match step:
        case "motion":
            return {step: seconds.read(path, seconds.MOTION)}
        case "loudness":
            return {step: seconds.read(path, seconds.LOUDNESS)}
        case "note_density":
            return {step: seconds.read(path, seconds.NOTE_DENSITY)}
        case "emotion":
            return {step: emotion.read(path)}
        case "semantic":
            return {step: np.load(path, allow_pickle=False)}
        case "scene":
            ids, offsets = scenes.read(path)
            return {"scene": ids, "scene_offset": offsets}
        case _:
            return {}


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    rows = values[:SECONDS].astype(np.float32 if values.dtype.kind == "f" else np.int32)
    padding = [(0, SECONDS - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, padding)
