"""Ten dimensions of sound that one can hear and name, by signal processing, without weights.

The formulas are in ``perceptual_dims``. Values of other feature sets (an imported table, trained
regressors) use the same names but are other measures: ``FEATURE_SET`` is part of the space's
revision, and two sets are never mixed in one library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import (
    Anchor,
    DenseVector,
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    Statistics,
)
from retrieval.encoders.perceptual_dims import DIMS, measure
from retrieval.encoders.perceptual_spectra import PARAMETERS, SAMPLE_RATE, spectra
from retrieval.encoders.protocol import Windowing

FEATURE_SET = "segue-signal-1"
"""Raise the number with any change that moves a value (a test knows some values by heart)."""

# Measured with this feature set, in two halves of equal weight: eight recordings (orchestra twice,
# jazz with drums, a folk song with voice, a solo trumpet, read speech, a robin, whales) and the
# forty pieces in ten styles of ``indexer.synth.catalogue``.
_REFERENCE_MEAN = (0.29, 2.24, -0.57, -1.23, 1.68, 43.21, 50.00, 40.38, 42.64, 2.21)
_REFERENCE_STD = (4.77, 3.20, 5.75, 3.46, 3.54, 19.74, 5.92, 16.41, 21.81, 31.77)
# The same, rounded: an anchor only has to bring values near one.
_CENTRE = (0.0, 2.0, 0.0, -1.0, 1.5, 43.0, 50.0, 40.0, 43.0, 0.0)
_SCALE = (5.0, 3.0, 6.0, 3.5, 3.5, 20.0, 6.0, 16.0, 22.0, 32.0)


class PerceptualEncoder:
    """The ``perceptual`` space: windows of 10 s; a track is the mean over its windows."""

    sample_rate = SAMPLE_RATE
    windowing = Windowing(length=10.0, hop=10.0, minimum=1.0)
    reference = Statistics(mean=_REFERENCE_MEAN, std=_REFERENCE_STD, count=0)

    def __init__(self) -> None:
        parameters = (FEATURE_SET, DIMS, self.windowing, PARAMETERS, _CENTRE, _SCALE)
        digest = hashlib.blake2b(repr(parameters).encode(), digest_size=8).hexdigest()
        self.space = EmbeddingSpace(
            name="perceptual",
            dim=len(DIMS),
            distance=Distance.WEIGHTED_EUCLIDEAN,
            revision=f"{FEATURE_SET}-{digest}",
            query_modalities=frozenset({Modality.AUDIO}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
            anchor=Anchor(centre=_CENTRE, scale=_SCALE),
            dims=DIMS,
            float16=False,
        )

    def prepare_audio(self, window: NDArray[np.float32]) -> DenseVector:
        """The ten dimensions of one mono window at 22,050 Hz: all the work is done here."""
        return measure(spectra(window))

    def forward_audio(self, batch: Sequence[DenseVector]) -> DenseVector:
        """The prepared vectors as rows, shape (len(batch), 10)."""
        return np.stack(batch).astype(np.float32, copy=False)

    def pool(self, vectors: DenseVector, durations: NDArray[np.float64]) -> DenseVector:
        """The mean of the windows, each by its length."""
        weights = durations / durations.sum()
        return np.asarray(weights @ vectors.astype(np.float64), dtype=np.float32)

    def payload(self, vector: DenseVector) -> Mapping[str, float]:
        """The ten dimensions as payload fields, to two decimals."""
        return {
            name: round(float(value), 2) + 0.0 for name, value in zip(DIMS, vector, strict=True)
        }
