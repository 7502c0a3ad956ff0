"""Tables as numbers to learn from, standardised by what is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.learning.tables import Clips, Pairs
from retrieval.core.video import Source
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.model_card import Scaling, Shape
from retrieval.video.model_inputs import ClipInputs, scale_inputs, standardise

QUADRANTS = (
    "calm and sad",
    "calm and happy",
    "excited and sad",
    "excited and happy",
)
"""Of arousal and valence, split at their medians: the emotions where a table names none."""
_TINY = 1e-9

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Pairs ready for training.

    Attributes:
        clips: As networks see them.
        sound: Standardised, (tracks, 10).
        embeddings: Of length 1, or None.
        classes: int64, the emotion of each row.
        emotions: Their names.
        scale_in: Of the dimensions of pictures.
        scale_out: Of those of sound.
        scales: Of frames and series, as they are kept beside the weights.
        shape: Sizes that follow from the data; the width is still to be chosen.
    """

    clips: tuple[ClipInputs, ...]
    sound: Array
    embeddings: Array | None
    classes: NDArray[np.int64]
    emotions: tuple[str, ...]
    scale_in: Scaling
    scale_out: Scaling
    scales: dict[str, Array]
    shape: Shape


def prepare_pairs(pairs: Pairs, rows: NDArray[np.int64]) -> Prepared:
    """Standardise pairs by the clips and tracks of some rows."""
    seen, heard = np.unique(pairs.rows[rows, 0]), np.unique(pairs.rows[rows, 1])
    scale_out = scaling(pairs.music.sound[heard])
    emotions, classes = _emotions(pairs, heard)
    clips = prepare_clips(pairs.clips, seen)
    return Prepared(
        clips=clips.inputs,
        sound=standardise(pairs.music.sound, scale_out.mean, scale_out.std),
        embeddings=pairs.music.embeddings,
        classes=classes,
        emotions=emotions,
        scale_in=clips.scale,
        scale_out=scale_out,
        scales=clips.scales,
        shape=clips.shape,
    )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedClips:
    """Clips ready for training; attributes as those of ``Prepared``."""

    inputs: tuple[ClipInputs, ...]
    scale: Scaling
    scales: dict[str, Array]
    shape: Shape


def prepare_clips(clips: Clips, places: NDArray[np.int64]) -> PreparedClips:
    """Standardise clips by some of them."""
    features = clips.features
    values = np.array([one.values for one in features])
    known = np.array([[s is not Source.UNAVAILABLE for s in one.sources] for one in features])
    chosen = [features[place] for place in places]
    scale = scaling(np.where(known, values, np.nan)[places])
    scales: dict[str, Array] = {}
    frames = [one.frames.values for one in chosen if one.frames is not None]
    series = [one.series.values for one in chosen if one.series is not None]
    for name, parts in (("frames", frames), ("series", series)):
        if parts:
            rows = np.concatenate(parts).astype(np.float64)
            std = rows.std(axis=0)
            scales[f"scale.{name}.mean"] = rows.mean(axis=0).astype(np.float32)
            scales[f"scale.{name}.std"] = np.where(std > _TINY, std, 1.0).astype(np.float32)
    frame_dim = frames[0].shape[1] if frames else 0
    shape = Shape(width=2, heads=1, frame_dim=frame_dim, series=bool(series))
    inputs = tuple(scale_inputs(one, scale, scales) for one in features)
    return PreparedClips(inputs, scale, scales, shape)


def scaling(values: NDArray[np.float64]) -> Scaling:
    """Mean and deviation of each column, NaN left out; 0 and 1 where there is nothing to go by."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(there, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return Scaling(mean=tuple(mean.tolist()), std=tuple(np.where(std > _TINY, std, 1.0).tolist()))


def _emotions(pairs: Pairs, heard: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if pairs.emotions:
        names = tuple(sorted(set(pairs.emotions)))
        return names, np.array([names.index(one) for one in pairs.emotions], dtype=np.int64)
    mood = pairs.music.sound[:, [DIMS.index("arousal"), DIMS.index("valence")]]
    high = mood > np.median(mood[heard], axis=0)
    classes = 2 * high[:, 0].astype(np.int64) + high[:, 1]
    return QUADRANTS, classes[pairs.rows[:, 1]]
