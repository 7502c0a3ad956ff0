"""What an encoder is: the space it fills, and ``prepare`` and ``forward`` for what it accepts.

``prepare`` is plain CPU work on one item, safe in any thread or process. ``forward`` takes a batch
of prepared items, in one thread per device, and its result for an item never depends on the other
items of the batch (cosine >= 0.9999). An encoder implements any of the three protocols below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Payload
from retrieval.core.spaces import DenseVector, EmbeddingSpace, Statistics, Vector


@dataclass(frozen=True, slots=True)
class Windowing:
    """Fixed, deterministic windows over a track.

    Windows start at 0, hop, 2*hop, …; a last, shorter window is kept if it is at least
    ``minimum`` long or if it is the only one.

    Attributes:
        length: Seconds.
        hop: Seconds.
        minimum: Seconds.
    """

    length: float
    hop: float
    minimum: float


@runtime_checkable
class Encoder(Protocol):
    """The part every encoder has."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space this encoder fills; its revision covers all that changes a vector."""
        ...


@runtime_checkable
class AudioEncoder(Encoder, Protocol):
    """Turns windows of mono sound into vectors."""

    sample_rate: int
    windowing: Windowing

    def prepare_audio(self, window: NDArray[np.float32]) -> Any:
        """Features of one mono window at ``sample_rate``, shape (samples,), finite, about -1..1."""
        ...

    def forward_audio(self, batch: Sequence[Any]) -> NDArray[np.float32]:
        """Vectors of shape (len(batch), dim) for prepared windows, in order."""
        ...

    def pool(self, vectors: NDArray[np.float32], durations: NDArray[np.float64]) -> DenseVector:
        """The track vector (dim,) of n >= 1 window vectors (n, dim) that last seconds (n,)."""
        ...


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """Turns query texts into vectors."""

    def prepare_text(self, text: str) -> Any:
        """Tokens of one text.

        Raises:
            InvalidInputError: If nothing in the text can be searched for in this space.
        """
        ...

    def forward_text(self, batch: Sequence[Any]) -> Sequence[Vector]:
        """One vector per prepared text, in order."""
        ...


@runtime_checkable
class WordsEncoder(Encoder, Protocol):
    """Turns the words that come with a track into a vector."""

    def encode_words(self, payload: Payload) -> Vector:
        """The vector of a track's words (tags, folder, file names); may be empty if sparse."""
        ...


@runtime_checkable
class HasReference(Protocol):
    """A weighted-Euclidean encoder, with statistics to use before a library has its own."""

    reference: Statistics

    def payload(self, vector: DenseVector) -> Mapping[str, float]:
        """The dimensions as payload fields, so that filters can use them."""
        ...
