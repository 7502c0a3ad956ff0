"""Step 7: loudness second by second, as linear RMS."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer.dataset.clips import sound_rows
from indexer.dataset.graph import Work
from indexer.formats import seconds
from retrieval.audio import open_audio


class Loudness:
    """Root mean square of all channels, T × 1, 0 to 1, full scale being 1; not LUFS."""

    name = "loudness"
    version = 1
    extension = ".lab"
    needs: tuple[str, ...] = ("audio",)
    uses: tuple[str, ...] = ()

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        squares: list[float] = []
        counts: list[int] = []
        done = 0
        with open_audio(work.inputs["audio"], name=work.name) as reader:
            for block in reader.blocks():
                power = np.square(block, dtype=np.float64).mean(axis=1)
                second = (done + np.arange(len(power))) // reader.sample_rate
                done += len(power)
                for number in range(int(second[0]), int(second[-1]) + 1):
                    part = power[second == number]
                    if number == len(squares):
                        squares.append(0.0)
                        counts.append(0)
                    squares[number] += float(part.sum())
                    counts[number] += len(part)
        rows = sound_rows(done / reader.sample_rate)
        values = np.sqrt(np.asarray(squares) / np.asarray(counts))[:rows]
        work.target.write_text(seconds.to_text(np.minimum(values, 1.0).astype(np.float32)))
