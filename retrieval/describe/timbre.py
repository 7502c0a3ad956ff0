"""What the spectrum looks like, over the whole track: brightness, width, noise, contrast."""

from __future__ import annotations

import numpy as np

from retrieval.core.payload import Field, FieldType, PayloadValue
from retrieval.describe.pictures import SHORT_HOP, spectral_shape
from retrieval.describe.protocol import RATE, Findings, Series, SeriesField, Sound

_POOL = 4
"""Frames to one value of the series."""


class Timbre:
    """Spectral statistics, means over the audible frames."""

    name = "timbre"
    version = 1
    fields = (
        Field(
            "spectral_centroid", FieldType.FLOAT, "brightness: mean frequency, Hz, 0..11025", True
        ),
        Field("spectral_bandwidth", FieldType.FLOAT, "spread about it, Hz, 0..5513", True),
        Field("spectral_rolloff", FieldType.FLOAT, "85 % lie below, Hz, 0..11025", True),
        Field("spectral_flatness", FieldType.FLOAT, "0 is a tone, 1 white noise", True),
        Field("spectral_contrast", FieldType.FLOAT, "peaks above valleys, dB, 0..100", True),
    )
    series = (
        SeriesField(
            "spectrum", "Hz, Hz, Hz, 0..1, dB", "centroid, bandwidth, rolloff, flatness, contrast"
        ),
    )

    def describe(self, sound: Sound) -> Findings:
        """Nothing of silence."""
        shape = spectral_shape(sound)
        audible = shape.audible
        if not audible.any():
            return Findings({})
        columns = (shape.centroid, shape.bandwidth, shape.rolloff, shape.flatness, shape.contrast)
        scalars: dict[str, PayloadValue] = {
            field.name: round(float(column[audible].mean()), 4 if "flat" in field.name else 1)
            for field, column in zip(self.fields, columns, strict=True)
        }
        rows = np.stack(columns, axis=1)
        pooled = rows[: len(rows) // _POOL * _POOL].reshape(-1, _POOL, len(columns)).mean(axis=1)
        return Findings(scalars, (Series("spectrum", pooled, rate=RATE / SHORT_HOP / _POOL),))
