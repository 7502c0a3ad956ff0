"""Recommenders trained by ``segue train recommender``: from a clip to the music for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.core.errors import PreconditionError
from retrieval.core.video import VIDEO_DIMS, Prediction, VideoFeatures
from retrieval.video.model_file import TrainedModel, read_model
from retrieval.video.model_inputs import ClipInputs, read_inputs, without_seconds
from retrieval.video.model_networks import MOOD, load_network


class TrainedRecommender:
    """A trained model as a ``features.Recommender``. Safe from several threads."""

    def __init__(self, model: TrainedModel) -> None:
        """Take a model for this task, as ``read_model`` gives it."""
        self._model = model
        self._network = load_network(model.card, model.tensors)

    @property
    def video_set(self) -> str:
        """Feature set of the clips it takes."""
        return self._model.card.video_set

    @property
    def revision(self) -> str:
        """Revision of the audio space that its means are in the units of."""
        return self._model.card.output_set

    def predict(self, features: VideoFeatures) -> Prediction:
        """The mean in the units of the audio space, and the projection if the model has one.

        Unknown dimensions count as average ones. A multilayer perceptron that knows neither arousal
        nor valence of a clip, or nothing but these, gives the dimensions it cannot tell no weight.

        Raises:
            PreconditionError: FEATURE_SET_MISMATCH if the features are of another set,
                MODEL_MISSING if nothing that the model looks at is known of the clip.
        """
        card = self._model.card
        inputs = read_inputs(features, card, self._model.tensors)
        if card.kind == "mlp":
            # It looks at nothing else.
            inputs = without_seconds(inputs)
        if inputs.empty:
            raise PreconditionError(
                f"recommender {self._model.name!r}: nothing it looks at is known of this clip "
                f"({', '.join(VIDEO_DIMS)}); train a model with segue train video-features, or "
                "give the values",
                reason="MODEL_MISSING",
            )
        out = self._network(inputs)
        mean, std = np.asarray(card.scale_out.mean), np.asarray(card.scale_out.std)
        spread = None
        if out.log_variance is not None:
            spread = tuple((np.exp(out.log_variance.astype(np.float64)) * std**2).tolist())
        projection, revisions = None, {}
        if out.projection is not None and card.projection is not None:
            projection = {card.projection.space: out.projection}
            revisions = {card.projection.space: card.projection.revision}
        return Prediction(
            mean=tuple((mean + std * out.mean.astype(np.float64)).tolist()),
            variance=spread,
            projection=projection,
            source=self._model.name,
            weights=_weights(card.weights, inputs) if card.kind == "mlp" else card.weights,
            shares=dict(card.shares),
            revisions=revisions,
        )


def load_recommender(path: Path) -> TrainedRecommender:
    """Read the file of a trained recommender.

    Raises:
        PreconditionError: As ``read_model``.
    """
    return TrainedRecommender(read_model(path, "recommender"))


def _weights(weights: tuple[float, ...], inputs: ClipInputs) -> tuple[float, ...]:
    told = [bool(inputs.known[:-MOOD].any())] * (len(weights) - MOOD)
    told += [bool(inputs.known[-MOOD:].any())] * MOOD
    return tuple(weight * known for weight, known in zip(weights, told, strict=True))
