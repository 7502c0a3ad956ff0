"""A clip as models see it: standardised, with what is not known left at zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import PreconditionError
from retrieval.core.video import FrameEmbeddings, Source, VideoFeatures, VideoSeries
from retrieval.video.model_card import Card, Scaling

MAX_SECONDS = 300
"""How much of a clip is looked at."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ClipInputs:
    """What goes into a model; all float32.

    Attributes:
        dims: Standardised dimensions, 0 where not known; (n,).
        known: 1 where a dimension is known, else 0; (n,).
        frames: Standardised embeddings of frames; (T, D), T = 0 if there are none.
        series: Standardised series; (T, S), T = 0 if there is none.
    """

    dims: Array
    known: Array
    frames: Array
    series: Array

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known of the clip."""
        return not (self.known.any() or len(self.frames) or len(self.series))


def read_inputs(features: VideoFeatures, card: Card, tensors: Mapping[str, Array]) -> ClipInputs:
    """Standardise a clip as the model's training data were.

    Raises:
        PreconditionError: FEATURE_SET_MISMATCH if values or embeddings are of another set.
    """
    if features.feature_set != card.video_set:
        raise _mismatch("video features are of the set", features.feature_set, card.video_set)
    frames = features.frames
    if frames is not None and card.frame_revision is not None:
        if frames.revision != card.frame_revision:
            raise _mismatch("frames are embedded by", frames.revision, card.frame_revision)
        if frames.values.ndim != 2 or frames.values.shape[1] != card.shape.frame_dim:
            shape = f"(seconds, {card.shape.frame_dim})"
            raise _mismatch("frames have the shape", str(frames.values.shape), shape)
    return scale_inputs(features, card.scale_in, tensors)


def scale_inputs(
    features: VideoFeatures, scale: Scaling, tensors: Mapping[str, Array]
) -> ClipInputs:
    """Standardise a clip; ``tensors`` has the scales of frames and series that are looked at."""
    known = np.array([s is not Source.UNAVAILABLE for s in features.sources], dtype=np.float32)
    return ClipInputs(
        dims=standardise(np.asarray(features.values), scale.mean, scale.std) * known,
        known=known,
        frames=_rows(features.frames, "frames", tensors),
        series=_rows(features.series, "series", tensors),
    )


def standardise(
    values: NDArray[np.floating], mean: tuple[float, ...] | Array, std: tuple[float, ...] | Array
) -> Array:
    """(values - mean) / std as float32, bounded to 10 deviations: no outlier takes over."""
    scaled = (np.asarray(values, np.float64) - np.asarray(mean)) / np.asarray(std)
    return np.asarray(np.clip(scaled, -10.0, 10.0), dtype=np.float32)


def without_seconds(inputs: ClipInputs) -> ClipInputs:
    """A clip by its dimensions alone."""
    return replace(inputs, frames=inputs.frames[:0], series=inputs.series[:0])


def positions(seconds: int, width: int) -> Array:
    """Sines and cosines of each second, (seconds, width), after Vaswani et al. (2017)."""
    rates = np.exp(-np.log(10_000.0) * np.arange(0, width, 2) / width)
    angles = np.arange(seconds)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def pool(inputs: ClipInputs) -> Array:
    """What ridge regression sees: dimensions, and mean, deviation and pace of what changes."""
    parts = [inputs.dims, inputs.known]
    for rows in (inputs.frames, inputs.series):
        if len(rows):
            pace = np.abs(np.diff(rows, axis=0)).mean(axis=0) if len(rows) > 1 else 0.0 * rows[0]
            parts += [rows.mean(axis=0), rows.std(axis=0), pace]
        else:
            parts.append(np.zeros(3 * rows.shape[1], dtype=np.float32))
    return np.concatenate(parts).astype(np.float32)


def _rows(
    part: FrameEmbeddings | VideoSeries | None, name: str, tensors: Mapping[str, Array]
) -> Array:
    mean = tensors.get(f"scale.{name}.mean")
    if mean is None:
        return np.zeros((0, 0), dtype=np.float32)
    if part is None:
        return np.zeros((0, len(mean)), dtype=np.float32)
    return standardise(part.values[:MAX_SECONDS], mean, tensors[f"scale.{name}.std"])


def _mismatch(what: str, found: str, wanted: str) -> PreconditionError:
    return PreconditionError(
        f"{what} {found!r}; this model was trained on {wanted!r}",
        reason="FEATURE_SET_MISMATCH",
        metadata={"found": found, "wanted": wanted},
    )
