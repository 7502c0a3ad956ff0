"""What is known of a clip, and what music is predicted for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import DenseVector

VIDEO_DIMS = (
    "character_tension",
    "scene_tension",
    "narrative_pace",
    "narrative_content",
    "figure_affinity",
    "action_energy",
    "color_weight",
    "color_temperature",
    "motion_amplitude",
    "visual_arousal",
    "visual_valence",
)
"""The eleven dimensions of a picture, in the order of every vector of them."""

SIGNAL_DIMS = (
    "narrative_pace",
    "action_energy",
    "color_weight",
    "color_temperature",
    "motion_amplitude",
)
"""Those measured from the picture itself; the other six take a trained model, or are given."""

SERIES = ("motion", "energy", "lightness", "temperature", "cuts")
"""Columns of a per-second series; see ``VideoSeries``."""


class Source(Enum):
    """Where the value of a dimension comes from."""

    SIGNAL = "signal"
    """Measured from the picture, without weights."""
    MODEL = "model"
    """Predicted by a trained model."""
    GIVEN = "given"
    """Stated by the caller."""
    UNAVAILABLE = "unavailable"
    """Nobody knows: the value is 0 and counts nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoSeries:
    """A clip second by second.

    Attributes:
        values: float32 of shape (T, 5), columns as in ``SERIES``, row t for the time from t to
            t + 1 s, T = ceil(duration): motion in frame widths/s; action energy, 0..100; mean
            lightness, 0..1; colour temperature, -1 (blue) to 1 (red); cuts in that second.
        cuts: float64 of shape (n,), increasing, when new shots begin, in seconds from the first
            frame, which is no cut.
    """

    values: NDArray[np.float32]
    cuts: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FrameEmbeddings:
    """What an image model made of a clip, one frame per second.

    Attributes:
        values: float32 of shape (T, D), row t for the frame at t seconds.
        revision: Which model made them; trained models refuse those of another.
    """

    values: NDArray[np.float32]
    revision: str


@dataclass(frozen=True, slots=True, eq=False)
class VideoFeatures:
    """A clip as eleven dimensions.

    Attributes:
        values: In the order of ``VIDEO_DIMS``; 0 where ``sources`` says UNAVAILABLE.
        sources: Where each value comes from.
        feature_set: Which definition and units the values have; models trained on one set refuse
            another.
        series: None if the clip itself was never seen.
        duration: Seconds, or None if not known.
        frames: None if no image model has seen the clip.
        partial: True if the file breaks off or is damaged, so that part of the clip was not seen.
    """

    values: tuple[float, ...]
    sources: tuple[Source, ...]
    feature_set: str
    series: VideoSeries | None = None
    duration: float | None = None
    partial: bool = False
    frames: FrameEmbeddings | None = None

    def __post_init__(self) -> None:
        if len(self.values) != len(VIDEO_DIMS) or len(self.sources) != len(VIDEO_DIMS):
            raise InvalidInputError(
                f"video features: {len(VIDEO_DIMS)} values, got {len(self.values)}",
                reason="INVALID_VECTOR",
            )

    def known(self) -> dict[str, float]:
        """The values of the dimensions that have one, by name."""
        return {
            name: value
            for name, value, source in zip(VIDEO_DIMS, self.values, self.sources, strict=True)
            if source is not Source.UNAVAILABLE
        }


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The music a recommender asks for.

    Attributes:
        mean: Ten values in the order and units of the audio vectors the recommender was made for.
        variance: Their variances (> 0), or None if the recommender does not know.
        projection: L2-normalised vectors by name of the text-audio space they live in, or None.
        source: What to call the recommender in an answer: ``default mapping``, or the name of a
            trained model.
        weights: What each dimension counts, >= 0; 0 for those that nothing is known about.
        shares: What the distance (``"mean"``) and each space of ``projection`` count where they are
            fused, as validation found best: 0 for one that is better left out.
        revisions: Of the spaces of ``projection``; vectors of another are not to be compared.
    """

    mean: tuple[float, ...]
    variance: tuple[float, ...] | None
    projection: Mapping[str, DenseVector] | None
    source: str
    weights: tuple[float, ...] = field(default=(1.0,) * 10)
    shares: Mapping[str, float] = field(default_factory=lambda: {"mean": 1.0})
    revisions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class VideoPrediction:
    """What became of a video query.

    Attributes:
        query: Its index in the request.
        source: ``default mapping``, the name of a trained recommender, or ``given``.
        mean: Ten values in the units of the space asked.
        weights: What each of them counted.
        features: What was known of the clip; None if the query gave the prediction itself.
        outside: Dimensions that counted and lie more than three deviations from the library's mean:
            perhaps in other units.
    """

    query: int
    source: str
    mean: tuple[float, ...]
    weights: tuple[float, ...]
    features: VideoFeatures | None = None
    outside: tuple[str, ...] = ()
