"""Step 9: the notes that are heard, as a MIDI file."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import numpy as np

from indexer.dataset.graph import Work
from indexer.dataset.listening import describe, duration
from indexer.formats import midi
from retrieval.core.errors import PreconditionError
from retrieval.describe.registry import load

_DESCRIPTOR = "notes"


class Midi:
    """One track of all notes that Basic Pitch hears, as long as the sound."""

    name = "midi"
    version = 1
    extension = ".mid"
    needs: tuple[str, ...] = ("audio",)
    uses: tuple[str, ...] = ()

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        if importlib.util.find_spec("mido") is None:
            raise PreconditionError(
                "MIDI files need mido: pip install 'segue[dataset]'", reason="MODEL_MISSING"
            )
        # One version, one model: the descriptor takes no other.
        return {"notes": load(_DESCRIPTOR).version}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        series = describe(work, _DESCRIPTOR).get("notes")
        notes: list[midi.Note] = []
        if series is not None and series.ends is not None:
            columns = (series.starts, series.ends, np.ravel(series.values))
            notes = [
                midi.Note(float(start), float(end), int(pitch))
                for start, end, pitch in zip(*columns, strict=True)
            ]
        work.target.write_bytes(midi.to_bytes(notes, duration(work)))
