"""Dimensions of a clip by a model trained with ``segue train video-features``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from retrieval.core.video import Source, VideoFeatures
from retrieval.video.model_file import TrainedModel, read_model
from retrieval.video.model_inputs import read_inputs
from retrieval.video.model_networks import load_network


class FeatureModel:
    """Completes what was measured of a clip. Safe from several threads."""

    def __init__(self, model: TrainedModel) -> None:
        """Take a model for this task, as ``read_model`` gives it."""
        self._model = model
        self._network = load_network(model.card, model.tensors)

    @property
    def measured_set(self) -> str:
        """Feature set of the measured clips it takes."""
        return self._model.card.video_set

    @property
    def feature_set(self) -> str:
        """Feature set of the dimensions it gives."""
        return self._model.card.output_set

    def complete(self, features: VideoFeatures) -> VideoFeatures:
        """All dimensions that the model was given labels for, in the labels' units.

        Measured ones are replaced too: the labels calibrate them. What the model had no labels for
        is UNAVAILABLE, since measured values are of another feature set.

        Raises:
            PreconditionError: FEATURE_SET_MISMATCH if the features are of another set.
        """
        card = self._model.card
        inputs = read_inputs(features, card, self._model.tensors)
        told = np.asarray(card.weights) > 0
        z = self._network(inputs).mean.astype(np.float64)
        values = np.where(told, np.asarray(card.scale_out.mean) + card.scale_out.std * z, 0.0)
        sources = [Source.MODEL if one else Source.UNAVAILABLE for one in told]
        return dataclasses.replace(
            features,
            values=tuple(values.tolist()),
            sources=tuple(sources),
            feature_set=card.output_set,
        )


def load_feature_model(path: Path) -> FeatureModel:
    """Read the file of a trained model of dimensions.

    Raises:
        PreconditionError: As ``read_model``.
    """
    return FeatureModel(read_model(path, "video-features"))
