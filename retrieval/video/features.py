"""The measured, the given and the predicted: what models for pictures are written against."""

from __future__ import annotations

from typing import Protocol

from retrieval.core.video import (
    SERIES,
    SIGNAL_DIMS,
    VIDEO_DIMS,
    Prediction,
    Source,
    VideoFeatures,
    VideoSeries,
)

__all__ = [
    "FEATURE_SET",
    "SERIES",
    "SIGNAL_DIMS",
    "VIDEO_DIMS",
    "Prediction",
    "Recommender",
    "Source",
    "VideoFeatures",
    "VideoSeries",
]

FEATURE_SET = "segue-picture-2"
"""What ``retrieval.video`` measures; raise the number with any change that moves a value."""


class Recommender(Protocol):
    """From a picture to the music for it. Safe to call from several threads."""

    @property
    def video_set(self) -> str | None:
        """``feature_set`` of the videos it takes, or None if it takes any."""
        ...

    @property
    def revision(self) -> str | None:
        """Revision of the audio space its means are in; None if it fits any library."""
        ...

    def predict(self, features: VideoFeatures) -> Prediction:
        """What to look for.

        Raises:
            PreconditionError: FEATURE_SET_MISMATCH if the features are of another set,
                MODEL_MISSING if none of the dimensions it needs are known.
        """
        ...
