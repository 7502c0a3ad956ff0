"""Step 10: notes per second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer.dataset.clips import SECONDS, sound_rows
from indexer.dataset.graph import Work
from indexer.formats import midi, seconds


class NoteDensity:
    """Notes that begin within each second, T × 1."""

    name = "note_density"
    version = 1
    extension = ".lab"
    needs: tuple[str, ...] = ("midi",)
    uses: tuple[str, ...] = ()

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"seconds": SECONDS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        notes, length = midi.read(work.inputs["midi"])
        rows = sound_rows(length)
        starts = np.asarray([int(note.start) for note in notes if note.start < rows], dtype=np.intp)
        work.target.write_text(seconds.to_text(np.bincount(starts, minlength=rows).astype(float)))
