"""How far the loud passages of a track stand above their own level."""

from __future__ import annotations

import math

import numpy as np

from retrieval.core.payload import Field, FieldType
from retrieval.describe.protocol import Findings, SeriesField, Sound

_BLOCK = 3.0
"""Seconds."""
_LOUDEST = 0.2


class Dynamics:
    """Dynamic range by the method of the DR meter of the Pleasurize Music Foundation.

    Peak (the second highest of all blocks of 3 s) over the level of the loudest fifth of the
    blocks, that of a sine being its peak; here over all channels together.
    """

    name = "dynamics"
    version = 1
    fields = (Field("dynamic_range", FieldType.FLOAT, "of the loud passages, dB, DR, 0..40", True),)
    series: tuple[SeriesField, ...] = ()

    def describe(self, sound: Sound) -> Findings:
        """Nothing below two blocks."""
        levels = sound.levels
        size = round(_BLOCK * levels.rate)
        count = len(levels.power) // size
        if count < 2:
            return Findings({})
        power = levels.power[: count * size].reshape(count, size).mean(axis=1, dtype=np.float64)
        peak = np.sort(levels.peak[: count * size].reshape(count, size).max(axis=1))[-2]
        loudest = np.sort(power)[-max(1, round(_LOUDEST * count)) :].mean()
        if loudest <= 0:
            return Findings({})
        ratio = 20 * math.log10(float(peak)) - 10 * math.log10(2 * float(loudest))
        return Findings({"dynamic_range": round(max(0.0, ratio), 2)})
