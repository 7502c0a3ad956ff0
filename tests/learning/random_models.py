"""Models of random weights with true cards: for what does not need them to be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from retrieval.core.video import (
    SERIES,
    VIDEO_DIMS,
    FrameEmbeddings,
    Source,
    VideoFeatures,
    VideoSeries,
)
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.model_card import KEY, Card
from retrieval.video.model_file import expected_shapes

VIDEO_SET, REVISION, FRAME_MODEL = "acme-1", "acme-audio-1", "eye-1"


def card(kind: str, task: str = "recommender", **changes: Any) -> Card:
    outputs = DIMS if task == "recommender" else VIDEO_DIMS
    timed = kind != "mlp"
    given = {
        "task": task,
        "kind": kind,
        "video_set": VIDEO_SET,
        "output_set": REVISION,
        "inputs": VIDEO_DIMS,
        "outputs": outputs,
        "scale_in": {"mean": [50.0] * 11, "std": [20.0] * 11},
        "scale_out": {"mean": [30.0] * len(outputs), "std": [10.0] * len(outputs)},
        "emotions": ["calm", "wild"] if task == "recommender" else [],
        "frame_revision": FRAME_MODEL if timed else None,
        "projection": {"space": "planted", "revision": "planted-1", "dim": 7}
        if kind == "temporal" and task == "recommender"
        else None,
        "weights": [1.0] * len(outputs),
        "shares": {"mean": 1.0},
        "shape": {"width": 8, "layers": 2, "heads": 2, "frame_dim": 6, "series": True}
        if timed
        else {"width": 8},
        "data_digest": "none",
        "seed": 0,
        "metrics": {},
    }
    return Card.model_validate(given | changes)


def tensors(card: Card, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in expected_shapes(card).items():
        values = rng.normal(scale=0.4, size=shape)
        found[name] = (np.abs(values) + 0.5 if name.endswith(".std") else values).astype("f4")
    return found


def write(path: Path, card: Card, weights: dict[str, NDArray[np.float32]] | None = None) -> Path:
    save_file(tensors(card) if weights is None else weights, path, {KEY: card.model_dump_json()})
    return path


def clip(
    seconds: int = 5, *, known: int = 11, framed: int | None = None, video_set: str = VIDEO_SET
) -> VideoFeatures:
    rng = np.random.default_rng(seconds)
    values = rng.normal(50.0, 20.0, 11)
    there = np.arange(11) < known
    rows = rng.normal(size=(seconds, len(SERIES))).astype(np.float32)
    frames = rng.normal(size=(seconds if framed is None else framed, 6)).astype(np.float32)
    return VideoFeatures(
        values=tuple(np.where(there, values, 0.0).tolist()),
        sources=tuple(Source.GIVEN if one else Source.UNAVAILABLE for one in there),
        feature_set=video_set,
        series=VideoSeries(rows, np.zeros(0)) if seconds else None,
        frames=FrameEmbeddings(frames, FRAME_MODEL) if len(frames) else None,
    )
