"""The built-in ear: sound, and descriptions of it, by two small towers of our own.

Nothing is downloaded and neither PyTorch nor a GPU is needed: the weights ship with the package and
NumPy runs them. ``indexer.training`` is where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import DenseVector, Distance, EmbeddingSpace, Level, Modality
from retrieval.encoders.cohort import Cohort
from retrieval.encoders.ear_frontend import SAMPLE_RATE, SECONDS, listen
from retrieval.encoders.ear_layers import unit
from retrieval.encoders.ear_tokens import Token, Vocabulary
from retrieval.encoders.ear_towers import EarAudio, EarText, Impression
from retrieval.encoders.ear_weights import FILE, Calibration, EarWeights
from retrieval.encoders.protocol import Windowing

_METHOD = "segue-ear-1"
"""Raise the number with any change, other than of the weights, that moves a vector."""


class EarEncoder:
    """The ``ear`` space: what is heard (shared with text), then by what a recording is known.

    Both halves of a sound have the same length; a text has zeros in the second. A track's halves
    are the mean directions over its windows. Safe from several threads.
    """

    sample_rate = SAMPLE_RATE
    windowing = Windowing(length=SECONDS, hop=SECONDS, minimum=1.0)

    def __init__(self, path: Path = FILE) -> None:
        """Read the header of the weights; each tower is read when it is first needed.

        Raises:
            PreconditionError: MODEL_INVALID.
        """
        self._weights = EarWeights(path)
        self.space = EmbeddingSpace(
            name="ear",
            dim=self._weights.meaning + self._weights.identity,
            distance=Distance.COSINE,
            revision=f"{_METHOD}-{self._weights.digest}",
            query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
        )

    def __reduce__(self) -> tuple[type[EarEncoder], tuple[Path]]:
        return EarEncoder, (self._weights.path,)

    @property
    def attributes(self) -> tuple[str, ...]:
        """What it can tell of a sound: ``drums``, ``family strings``, ``genre jazz`` and so on."""
        return self._weights.attributes

    def prepare_audio(self, window: NDArray[np.float32]) -> Impression:
        """What it makes of one mono window at 22,050 Hz: all the work is done here."""
        return self._audio(listen(window))

    def forward_audio(self, batch: Sequence[Impression]) -> DenseVector:
        """Vectors of length 1, shape (len(batch), dim)."""
        return np.stack([_whole(one.meaning, one.identity) for one in batch])

    def pool(self, vectors: DenseVector, durations: NDArray[np.float64]) -> DenseVector:
        """The mean direction of each half, each window by its length; of length 1."""
        mean = ((durations / durations.sum()) @ vectors.astype(np.float64)).astype(np.float32)
        return _whole(unit(mean[: self._weights.meaning]), unit(mean[self._weights.meaning :]))

    def probabilities(
        self, heard: Sequence[Impression], durations: Sequence[float] | None = None
    ) -> dict[str, float]:
        """How likely each of ``attributes`` is: of one window, or of a track from all of them.

        The probability of a track is the mean over its windows, so that half a track with drums
        gives about 0.5. They are calibrated on renderings that were not trained on; what the ear
        was never taught (``attributes`` is all that it was) is not in them.

        Args:
            heard: What ``prepare_audio`` gave, at least one.
            durations: Seconds of each, where they differ.
        """
        mean = np.average(self.chances(heard), axis=0, weights=durations)
        return dict(zip(self.attributes, mean.tolist(), strict=True))

    def chances(self, heard: Sequence[Impression]) -> NDArray[np.float64]:
        """How likely each of ``attributes`` is of each window, shape (windows, attributes)."""
        calibration = self._calibration
        logits = np.stack([one.logits for one in heard]).astype(np.float64)
        shares = 1.0 / (1.0 + np.exp(-(calibration.scale * logits + calibration.bias)))
        return np.asarray(shares)

    def prepare_text(self, text: str) -> list[Token]:
        """The words of a query that say something to it.

        Raises:
            InvalidInputError: If there are none, as in most names.
        """
        tokens = self._vocabulary.read(text)
        if not tokens:
            raise InvalidInputError(
                f"text: the ear knows no word of {text[:80]!r}; describe what is heard",
                metadata={"field": "text"},
            )
        return tokens

    def forward_text(self, batch: Sequence[list[Token]]) -> list[DenseVector]:
        """One vector (dim,) of length 1 per prepared text, in order."""
        silent = np.zeros(self._weights.identity, dtype=np.float32)
        return [np.concatenate([self._text(tokens), silent]) for tokens in batch]

    def cohort(self) -> Cohort | None:
        """Sounds of all kinds, by which texts are judged; None if the weights came without."""
        return self._cohort

    @cached_property
    def _cohort(self) -> Cohort | None:
        held = self._weights.cohort()
        if held is None:
            return None
        # Half of every vector of the space is identity, which texts have no part in.
        vectors = np.pad(held.vectors, ((0, 0), (0, self._weights.identity)))
        return replace(
            held, vectors=vectors / np.float32(np.sqrt(2.0)), slope=held.slope * math.sqrt(2.0)
        )

    @cached_property
    def _audio(self) -> EarAudio:
        return EarAudio(self._weights.audio())

    @cached_property
    def _text(self) -> EarText:
        return EarText(self._weights.text())

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._weights.words)

    @cached_property
    def _calibration(self) -> Calibration:
        return self._weights.calibration()


def _whole(meaning: DenseVector, identity: DenseVector) -> DenseVector:
    both = np.concatenate([meaning, identity])
    return np.asarray(both / np.sqrt(2.0), dtype=np.float32)
