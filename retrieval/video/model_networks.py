"""Trained networks in NumPy: a clip to what is predicted for it, in milliseconds, without PyTorch.

The same networks are trained in ``indexer.learning.networks``; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from retrieval.encoders.ear_layers import Array, attend, dense, normalise, relu, unit
from retrieval.video.model_card import Card
from retrieval.video.model_inputs import ClipInputs, pool, positions

CALM, WILD = -6.0, 4.0
"""Bounds of a log-variance of standardised values."""
MOOD = 2
"""How many dimensions, the last of inputs and outputs alike, are arousal and valence."""


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What a network says of one clip.

    Attributes:
        mean: Standardised values, (outputs,).
        log_variance: Of the same, or None.
        projection: Of length 1, or None.
    """

    mean: Array
    log_variance: Array | None = None
    projection: Array | None = None


Network = Callable[[ClipInputs], Output]
"""Holds no state; safe from several threads."""


def load_network(card: Card, tensors: Mapping[str, Array]) -> Network:
    """The network of a card."""
    if card.kind == "mlp":
        return _Mlp(tensors)
    return _Ridge(tensors) if card.kind == "ridge" else _Temporal(card, tensors)


class _Layers:
    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self._w = tensors

    def _dense(self, name: str, x: Array) -> Array:
        return dense(x, self._w[f"{name}.weight"], self._w[f"{name}.bias"])

    def _norm(self, name: str, x: Array) -> Array:
        return normalise(x, self._w[f"{name}.weight"], self._w[f"{name}.bias"])


class _Mlp(_Layers):
    """The originating network: arousal and valence go their own way."""

    def __call__(self, inputs: ClipInputs) -> Output:
        main = relu(self._dense("main.inner", inputs.dims[:-MOOD]))
        main = relu(self._dense("main.outer", main))
        mood = relu(self._dense("mood.inner", inputs.dims[-MOOD:]))
        heads = [self._dense("main.head", main), self._dense("mood.head", mood)]
        return Output(np.concatenate(heads))


class _Ridge(_Layers):
    def __call__(self, inputs: ClipInputs) -> Output:
        return Output(self._dense("linear", pool(inputs)))


class _Temporal(_Layers):
    """A transformer over one token of dimensions and one per second."""

    def __init__(self, card: Card, tensors: Mapping[str, Array]) -> None:
        super().__init__(tensors)
        self._shape, self._projects = card.shape, card.projection is not None

    def __call__(self, inputs: ClipInputs) -> Output:
        told = relu(self._dense("dims.inner", np.concatenate([inputs.dims, inputs.known])))
        x = np.concatenate([self._dense("dims.outer", told)[None], self._seconds(inputs)])
        for number in range(self._shape.layers):
            x = attend(x, self._w, f"layers.{number}", self._shape.heads)
        rest = x[1:].mean(axis=0) if len(x) > 1 else np.zeros_like(x[0])
        pooled = self._norm("norm", np.concatenate([x[0], rest]))
        spread = np.clip(self._dense("spread", pooled), CALM, WILD)
        projection = None
        if self._projects:
            inner = relu(self._dense("project.inner", pooled))
            projection = unit(self._dense("project.outer", inner))
        return Output(self._dense("mean", pooled), spread, projection)

    def _seconds(self, inputs: ClipInputs) -> Array:
        count = max(len(inputs.frames), len(inputs.series))
        x = positions(count, self._shape.width)
        for name, rows in (("frames", inputs.frames), ("series", inputs.series)):
            if len(rows):
                x[: len(rows)] += self._dense(name, rows)
        return x
