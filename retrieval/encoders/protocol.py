"""What an encoder is: the space it fills, and ``prepare`` and ``forward`` for what it accepts.

``prepare`` is plain CPU work on one item, safe in any thread or process. ``forward`` takes a batch
of prepared items, in one thread per device, and its result for an item never depends on the other
items of the batch (cosine >= 0.9999). A service goes forward with texts in one thread while another
does with sounds. An encoder implements any of the protocols below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Payload
from retrieval.core.spaces import DenseVector, EmbeddingSpace, Statistics, Vector
from retrieval.core.tracks import Span


@dataclass(frozen=True, slots=True)
class Windowing:
    """Fixed, deterministic windows over a track.

    Windows start at 0, hop, 2*hop, …; a last, shorter window is kept if it is at least
    ``minimum`` long or if it is the only one.

    Attributes:
        length: Seconds.
        hop: Seconds.
        minimum: Seconds.
        align_last: Move a shorter last window back until it is as long as the others, where the
            track is long enough; ``minimum`` then decides whether the rest is worth a window.
    """

    length: float
    hop: float
    minimum: float
    align_last: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWindow:
    """One window of a track: its span and what the encoder made of it; may cross processes.

    Attributes:
        span: Where it lies in the track.
        features: What ``forward_audio`` takes; None once they are not needed any more.
        audible: Whether there is sound in it.
    """

    span: Span
    features: Any
    audible: bool = True


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


class TrackIntake(Protocol):
    """One track on its way through ``prepare``, heard from start to end in bounded memory."""

    def push(self, samples: NDArray[np.float32]) -> Iterable[PreparedWindow]:
        """Take the next mono samples, shape (n,), at the rate of the file.

        Returns:
            The windows that are whole now, in order; their features may be unfinished.
        """
        ...

    def finish(self) -> tuple[Iterable[PreparedWindow], Callable[[Any], Any]]:
        """The last windows, now that the track has ended, and what finishes all features.

        What is known only at the end (the mean of the track) is in the second: a picklable function
        that ``prepare`` applies to the features of each window when they are read. Of a track with
        any samples there is at least one window.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TrackVectors:
    """What a whole-track encoder makes of one track.

    Attributes:
        vector: The track vector, (dim,).
        segments: Spans, in order of time, with their vectors (dim,).
    """

    vector: DenseVector
    segments: Sequence[tuple[Span, DenseVector]]


@runtime_checkable
class WholeTrackEncoder(AudioEncoder, Protocol):
    """An audio encoder whose vectors depend on more of the track than one window.

    It resamples and cuts by itself (``intake``), ``forward_audio`` gives rows of any width that
    mean nothing alone, and ``assemble`` makes vectors of all the rows of a track. What it has from
    ``AudioEncoder`` serves a sound that is one window: ``pool`` of the rows is its vector.
    """

    def intake(self, source_rate: int) -> TrackIntake:
        """Start one track whose samples come at ``source_rate`` Hz; CPU only, in any process."""
        ...

    def assemble(
        self, rows: NDArray[np.float32], windows: Sequence[PreparedWindow]
    ) -> TrackVectors:
        """The vectors of one track from its n >= 1 rows (n, width), one per window.

        Args:
            rows: What ``forward_audio`` gave.
            windows: Span and ``audible`` of each; their features may be gone.
        """
        ...


@runtime_checkable
class MovableEncoder(AudioEncoder, Protocol):
    """An audio encoder whose networks may run on several devices, in a process for each."""

    def on(self, device: str) -> MovableEncoder:
        """The same encoder for one other device; small to pickle, and loaded where it is used.

        Args:
            device: As ``retrieval.encoders.device.choose_device``.
        """
        ...

    def load(self) -> None:
        """Load the networks now instead of at the first call.

        Raises:
            PreconditionError: MODEL_MISSING, MODEL_INVALID or REVISION_MISMATCH.
        """
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


@runtime_checkable
class HasAttributes(AudioEncoder, Protocol):
    """An audio encoder that can say of a window what is in it, without a text."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """What it can tell: ``voice``, ``genre jazz`` and so on."""
        ...

    def chances(self, heard: Sequence[Any]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (windows, attributes), of prepared windows, in order."""
        ...
