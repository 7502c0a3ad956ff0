"""``segue train video-features``: from what is measured of a clip to what people say of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from indexer.learning.clip_reader import ClipReader
from indexer.learning.fitting import Session, fit
from indexer.learning.losses import likelihood
from indexer.learning.measures import r_squared
from indexer.learning.networks import TemporalNetwork, collate
from indexer.learning.options import (
    TrainingOptions,
    TrainingReport,
    begin,
    check_options,
    kept,
    write_model,
)
from indexer.learning.prepared import PreparedClips, prepare_clips, scaling
from indexer.learning.ridge import choose_penalties, fit_ridge
from indexer.learning.splits import Split, split
from indexer.learning.tables import Clips, read_clips
from indexer.learning.temporal import dropped, predict
from indexer.learning.watching import Watch
from indexer.stopping import stopping_on_signals
from retrieval.core.video import SERIES, VIDEO_DIMS
from retrieval.video.frame_model import FrameModel
from retrieval.video.model_card import Card, Shape
from retrieval.video.model_inputs import pool

ENOUGH = 500
"""Labelled clips below which a network has too little to learn from."""

Values = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]


def train_video_features(
    table: Path,
    out: Path,
    options: TrainingOptions,
    *,
    frames: FrameModel | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> TrainingReport:
    """Train on a table of labelled clips: ridge regression, and a temporal model if it is better.

    Below ``ENOUGH`` clips ridge is all there is, unless the options ask for ``temporal``. Neither
    knows the test part, on which what was chosen is measured once.

    Args:
        table: Clips and labels; see ``tables.read_clips``.
        out: The safetensors file to write.
        options: Choices; any model but ``auto`` and ``temporal`` means ridge alone.
        frames: Looks at the frames of video files.
        watch: Told how far the run is.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Raises:
        InvalidInputError: INVALID_METADATA for a table that will not do; names the line and column.
        CancelledError: The run was stopped; the same call goes on with it.
    """
    stop = stop or threading.Event()
    check_options(out, options)
    with stopping_on_signals(stop):
        with ClipReader(table, frames=frames, watch=watch, stop=stop) as reader:
            clips = read_clips(table, reader)
        parts = split([(source,) for source in clips.sources], clips.splits, options.seed)
        session = begin(out, clips.digest, options, watch=watch, stop=stop)
        with kept(session):
            card, tensors = _train(clips, parts, options, session)
        write_model(out, card, tensors, session)
    return TrainingReport(out, card, session.resume.begun)


def _train(
    clips: Clips, parts: Split, options: TrainingOptions, session: Session
) -> tuple[Card, Tensors]:
    one = _Training(clips, parts.train, options, session)
    penalties = choose_penalties(*one.examples(parts.train), *one.examples(parts.validation))
    ridge = fit_ridge(*one.examples(parts.train), penalties)
    validation = {"ridge": one.measured(ridge(one.pooled), parts.validation)}
    epochs = 0
    if options.model == "temporal" or (options.model == "auto" and len(clips.names) >= ENOUGH):
        network, epochs = one.temporal("temporal model", parts.train, check=parts.validation)
        validation["temporal"] = one.measured(one.predicted(network), parts.validation)
    kind = max(validation, key=lambda name: _mean(validation[name]))
    kind = "temporal" if options.model == "temporal" else kind
    some = parts.fitted()
    again = _Training(clips, some, options, session)
    ridge = fit_ridge(*again.examples(some), penalties)
    tested = {"ridge": again.measured(ridge(again.pooled), parts.test)}
    tensors: Tensors = {"linear.weight": ridge.weight, "linear.bias": ridge.bias}
    if kind == "temporal":
        network, _ = again.temporal("temporal model, again", some, epochs=epochs)
        tested["temporal"] = again.measured(again.predicted(network), parts.test)
        state = network.state_dict().items()
        tensors = {name: value.detach().cpu().numpy() for name, value in state}
    metrics: dict[str, Any] = {
        "data": {
            "clips": len(clips.names),
            "sources": len(set(clips.sources)),
            "train": len(parts.train),
            "validation": len(parts.validation),
            "test": len(parts.test),
        },
        "chosen": {"model": kind, "epochs": epochs},
        "validation": validation,
        "test": tested,
    }
    return again.card(kind, metrics), tensors | again.data.scales


def _mean(measured: dict[str, Any]) -> float:
    values = [one["value"] for one in measured.values() if one is not None]
    return float(np.mean(values)) if values else -np.inf


class _Training:
    """Clips standardised by some of them, and what can be learned from these.

    Attributes:
        data: As networks see them.
        pooled: As ridge regression does.
        labels: Standardised, NaN where there is none.
    """

    def __init__(
        self,
        clips: Clips,
        some: NDArray[np.int64],
        options: TrainingOptions,
        session: Session,
    ) -> None:
        self._clips, self._options, self._session = clips, options, session
        self.data: PreparedClips = prepare_clips(clips, some)
        self._scale = scaling(clips.labels[some])
        mean, std = np.asarray(self._scale.mean), np.asarray(self._scale.std)
        self.labels: Values = (clips.labels - mean) / std
        self.pooled: Values = np.stack([pool(one) for one in self.data.inputs]).astype(np.float64)

    @property
    def _shape(self) -> Shape:
        recipe = self._options.temporal
        sizes = {"width": recipe.width, "layers": recipe.layers, "heads": recipe.heads}
        return self.data.shape.model_copy(update=sizes)

    def examples(self, some: NDArray[np.int64]) -> tuple[Values, Values]:
        """What ridge regression learns from."""
        return self.pooled[some], self.labels[some]

    def temporal(
        self,
        stage: str,
        some: NDArray[np.int64],
        *,
        check: NDArray[np.int64] | None = None,
        epochs: int | None = None,
    ) -> tuple[TemporalNetwork, int]:
        """A network trained on some clips, and the epochs it took."""
        session, recipe = self._session, self._options.temporal
        session.chance(stage)
        network = TemporalNetwork(
            len(VIDEO_DIMS),
            len(VIDEO_DIMS),
            self._shape,
            series=len(SERIES) if self._shape.series else 0,
            dropout=recipe.dropout,
        ).to(session.device)
        labels = torch.from_numpy(self.labels.astype(np.float32)).to(session.device)

        def loss(rows: NDArray[np.int64], chance: np.random.Generator) -> torch.Tensor:
            shown = [dropped(self.data.inputs[row], chance) for row in rows]
            heads = network(collate(shown, session.device))
            return likelihood(heads.mean, heads.log_variance, labels[torch.from_numpy(rows)])

        def score() -> tuple[float, float]:
            error = self.predicted(network)[check] - self.labels[check]
            return -float(np.nanmean(error**2)), 0.0

        fitted = fit(
            stage,
            network,
            loss,
            some,
            schedule=recipe.schedule,
            session=session,
            score=None if check is None else score,
            epochs=epochs,
        )
        return network, fitted.epochs

    def predicted(self, network: TemporalNetwork) -> Values:
        """What a network says of all clips, standardised."""
        return predict(network, list(self.data.inputs))[0]

    def measured(self, found: Values, some: NDArray[np.int64]) -> dict[str, Any]:
        """R² by dimension, of some clips."""
        return dict(zip(VIDEO_DIMS, r_squared(found[some], self.labels[some]), strict=True))

    def card(self, kind: str, metrics: dict[str, Any]) -> Card:
        """What the model says of itself; a dimension without labels has no weight."""
        options = self._options
        labelled = np.isfinite(self._clips.labels).any(axis=0)
        return Card.model_validate(
            {
                "task": "video-features",
                "kind": kind,
                "video_set": self._clips.feature_set,
                "output_set": options.output_set,
                "inputs": VIDEO_DIMS,
                "outputs": VIDEO_DIMS,
                "scale_in": self.data.scale,
                "scale_out": self._scale,
                "frame_revision": self._clips.frame_revision if self._shape.frame_dim else None,
                "weights": tuple(labelled.astype(float).tolist()),
                "shares": {"mean": 1.0},
                "shape": self._shape,
                "data_digest": self._clips.digest,
                "seed": options.seed,
                "metrics": metrics,
            }
        )
