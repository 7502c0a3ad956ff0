"""Timbre as speech and music programs have long summed it up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Field, FieldType
from retrieval.describe.pictures import mel_spectrogram, spectral_shape
from retrieval.describe.protocol import Findings, SeriesField, Sound

COEFFICIENTS = 13
_FLOOR = 1e-8
"""Of mel power, of the loudest cell's: the 80 dB under the peak that MFCC commonly look at."""


class Mfcc:
    """Mel-frequency cepstral coefficients, summed up over the audible frames.

    128 Slaney bands, power in dB down to 80 below the loudest, orthonormal cosine transform: the
    common form, with the values of librosa.
    """

    name = "mfcc"
    version = 1
    fields = (
        Field("mfcc_mean", FieldType.FLOAT, "13 cepstral coefficients in order, their means", True),
        Field("mfcc_std", FieldType.FLOAT, "their standard deviations, in order", True),
    )
    series: tuple[SeriesField, ...] = ()

    def describe(self, sound: Sound) -> Findings:
        """Nothing of silence."""
        mel, audible = mel_spectrogram(sound), spectral_shape(sound).audible
        loudest = float(mel.max(initial=0.0))
        if not audible.any() or loudest <= 0:
            return Findings({})
        decibels = 10.0 * np.log10(np.maximum(mel[audible], max(_FLOOR * loudest, 1e-10)))
        rows = decibels @ cosines(mel.shape[1])
        return Findings(
            {
                "mfcc_mean": tuple(round(float(v), 2) for v in rows.mean(axis=0)),
                "mfcc_std": tuple(round(float(v), 2) for v in rows.std(axis=0)),
            }
        )


def cosines(bands: int) -> NDArray[np.float32]:
    """The first rows of the orthonormal DCT-II as columns, shape (bands, COEFFICIENTS)."""
    angles = np.pi / bands * np.outer(np.arange(bands) + 0.5, np.arange(COEFFICIENTS))
    scale = np.full(COEFFICIENTS, np.sqrt(2.0 / bands))
    scale[0] = np.sqrt(1.0 / bands)
    return np.asarray(np.cos(angles) * scale, dtype=np.float32)
