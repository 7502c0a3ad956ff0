"""Loudness as the European Broadcasting Union measures it (R128, Tech 3341 and 3342)."""

from __future__ import annotations

import math

from retrieval.core.payload import Field, FieldType, PayloadValue
from retrieval.describe.protocol import Findings, Series, SeriesField, Sound


class Loudness:
    """Integrated loudness, loudness range, true peak; momentary loudness as a series."""

    name = "loudness"
    version = 1
    fields = (
        Field("loudness_lufs", FieldType.FLOAT, "integrated, EBU R128, LUFS, -70..0", True),
        Field("loudness_range", FieldType.FLOAT, "EBU R128, LU, 0..60", True),
        Field("true_peak_dbtp", FieldType.FLOAT, "true peak, dBTP, full scale is 0", True),
    )
    series = (SeriesField("loudness", "LUFS", "momentary loudness, of the last 0.4 s"),)

    def describe(self, sound: Sound) -> Findings:
        """What the levels of the whole track say."""
        levels = sound.levels
        scalars: dict[str, PayloadValue] = {}
        if levels.integrated is not None:
            scalars["loudness_lufs"] = round(levels.integrated, 2)
        if levels.range is not None:
            scalars["loudness_range"] = round(levels.range, 2)
        if levels.true_peak > 0:
            scalars["true_peak_dbtp"] = round(20 * math.log10(levels.true_peak), 2)
        return Findings(scalars, (Series("loudness", levels.momentary, rate=10.0),))
