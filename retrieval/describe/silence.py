"""Silence before and after the music."""

from __future__ import annotations

import numpy as np

from retrieval.core.payload import Field, FieldType
from retrieval.describe.protocol import Findings, SeriesField, Sound

THRESHOLD = 1e-6
"""Mean square (-60 dBFS) that a hundredth of a second of sound has at least."""


class Silence:
    """How long it takes until there is sound, and from when on there is none."""

    name = "silence"
    version = 1
    fields = (
        Field("silence_start", FieldType.FLOAT, "below -60 dBFS at the start, seconds", True),
        Field("silence_end", FieldType.FLOAT, "below -60 dBFS at the end, seconds", True),
    )
    series: tuple[SeriesField, ...] = ()

    def describe(self, sound: Sound) -> Findings:
        """Nothing of a track that is all silence."""
        levels = sound.levels
        loud = np.flatnonzero(levels.power >= THRESHOLD)
        if not len(loud):
            return Findings({})
        first, last = loud[0] / levels.rate, (loud[-1] + 1) / levels.rate
        return Findings(
            {
                "silence_start": round(float(first), 2),
                "silence_end": round(max(0.0, sound.duration - float(last)), 2),
            }
        )
