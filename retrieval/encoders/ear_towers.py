"""The ear's two towers, in NumPy: a window or a query to a vector, in a few milliseconds.

Batch normalisation is folded into the weights (``indexer.training.export``), so that what is left
are convolutions, matrix products and rectifiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.encoders.ear_frontend import PITCH_OCTAVES, PITCH_STEPS, Heard
from retrieval.encoders.ear_layers import (
    Array,
    along,
    attend,
    circular,
    convolve,
    dense,
    depthwise,
    normalise,
    relu,
    softmax,
    unit,
)
from retrieval.encoders.ear_tokens import Token

LAGS = (8, 80)
"""Frames of the mel picture between which rhythms repeat: 0.16 to 1.6 s."""
_ONSET_BANDS = 4
_BLOCKS = (
    ("timbre.blocks.0", (2, 2)),
    ("timbre.blocks.1", (2, 2)),
    ("timbre.blocks.2", (2, 1)),
    ("timbre.blocks.3", (1, 1)),
    ("timbre.blocks.4", (1, 1)),
)
_TIME = ("timbre.time.0", "timbre.time.1")
_HEADS = 4

Weights = Mapping[str, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Impression:
    """What the ear makes of a window.

    Attributes:
        meaning: Of length 1; the part that texts are compared with.
        identity: Of length 1; by which a recording is known again.
        logits: One for each attribute.
    """

    meaning: Array
    identity: Array
    logits: Array


class EarAudio:
    """Two pictures of a window to an impression. Holds no state; safe from several threads."""

    def __init__(self, weights: Weights) -> None:
        self._w = weights

    def __call__(self, heard: Heard) -> Impression:
        """The impression of one window of any length."""
        mel = heard.mel.astype(np.float32) / np.float32(255.0)
        pitch = heard.pitch.astype(np.float32) / np.float32(255.0)
        parts = [self._timbre(mel), self._rhythm(mel), self._harmony(pitch)]
        hidden = relu(self._dense("hidden", np.concatenate(parts)))
        logits = self._dense("attributes", hidden)
        told = np.concatenate([hidden, np.tanh(logits / np.float32(4.0))])
        meaning, identity = self._dense("meaning", told), self._dense("identity", hidden)
        return Impression(unit(meaning), unit(identity), logits)

    def _timbre(self, mel: Array) -> Array:
        w = self._w
        x = mel * w["timbre.input.weight"][:, None] + w["timbre.input.bias"][:, None]
        x = relu(convolve(x[:, :, None], *self._pair("timbre.stem"), (2, 2)))
        for name, stride in _BLOCKS:
            x = self._separable(name, x, stride)
        rows, columns, channels = x.shape
        # The rows of one moment, channel by channel, as one long vector.
        x = x.transpose(1, 2, 0).reshape(columns, channels * rows)
        x = relu(self._dense("timbre.merge", x))[None]
        for name in _TIME:
            x = self._separable(name, x, (1, 1))
        x = x[0]
        shares = softmax(self._dense("timbre.attention", x), axis=0)
        groups = x.reshape(columns, _HEADS, -1)
        attended = (groups * shares[:, :, None]).sum(axis=0).reshape(-1)
        return np.concatenate([x.mean(axis=0), x.max(axis=0), attended])

    def _separable(self, name: str, x: Array, stride: tuple[int, int]) -> Array:
        y = relu(depthwise(x, *self._pair(f"{name}.deep"), stride))
        weight, bias = self._pair(f"{name}.point")
        y = dense(y, weight, bias)
        return relu(x + y) if y.shape == x.shape and stride == (1, 1) else relu(y)

    def _rhythm(self, mel: Array) -> Array:
        flux = relu(mel[:, 1:] - mel[:, :-1])
        onsets = flux.reshape(_ONSET_BANDS, -1, flux.shape[1]).mean(axis=1)
        onsets = onsets - onsets.mean(axis=1, keepdims=True)
        size = 2 * onsets.shape[1]
        again = np.fft.irfft(np.abs(np.fft.rfft(onsets, size, axis=1)) ** 2, size, axis=1)
        share = np.zeros((_ONSET_BANDS, LAGS[1] - LAGS[0]), dtype=np.float32)
        # A short window repeats over few lags only.
        found = again[:, LAGS[0] : min(LAGS[1], size)] / (again[:, :1] + 1e-4)
        share[:, : found.shape[1]] = found
        return relu(
            self._dense("rhythm.outer", relu(self._dense("rhythm.inner", share.reshape(-1))))
        )

    def _harmony(self, pitch: Array) -> Array:
        x = relu(convolve(pitch[:, :, None], *self._pair("harmony.local"), (1, 1))).mean(axis=1)
        octaves = x.reshape(PITCH_OCTAVES, PITCH_STEPS, -1)
        x = np.concatenate([octaves.mean(axis=0), octaves.max(axis=0)], axis=1)
        for name in ("harmony.first", "harmony.second"):
            x = relu(circular(x, *self._pair(name)))
        return np.concatenate([x.mean(axis=0), x.max(axis=0)])

    def _dense(self, name: str, x: Array) -> Array:
        return dense(x, *self._pair(name))

    def _pair(self, name: str) -> tuple[Array, Array]:
        return self._w[f"{name}.weight"], self._w[f"{name}.bias"]


class EarText:
    """Tokens to a vector of meaning. Holds no state; safe from several threads."""

    def __init__(self, weights: Weights, *, heads: int = 4) -> None:
        self._w = weights
        self._heads = heads
        self._layers = sum(name.endswith("norm1.weight") for name in weights)

    def __call__(self, text: Sequence[Token]) -> Array:
        """A vector of length 1 for at least one token."""
        w = self._w
        # The tables are in sixteen bits: what is summed up is not.
        words = w["words.weight"][[token.word for token in text]].astype(np.float32)
        runs = (w["pieces.weight"][list(token.pieces)] for token in text)
        bags = np.stack([rows.mean(axis=0, dtype=np.float32) for rows in runs])
        x = words + w["places"][: len(text)] + bags
        x = x + relu(along(x, w["near.weight"], w["near.bias"]))
        for layer in range(self._layers):
            x = attend(x, w, f"layers.layers.{layer}", self._heads)
        x = normalise(x, w["norm.weight"], w["norm.bias"])
        pooled = np.concatenate([x.mean(axis=0), x.max(axis=0)])
        claims = dense(pooled, w["claims.weight"], w["claims.bias"])
        told = np.concatenate([pooled, np.tanh(claims / np.float32(4.0))])
        meaning = unit(dense(told, w["out.weight"], w["out.bias"]))
        denied = claims[len(claims) // 2 :]
        # What a text denies is taken away: beside what it asks for, it would weigh too little.
        shares = 1.0 / (1.0 + np.exp(-denied))
        return unit(np.asarray(meaning - shares @ w["denials"], dtype=np.float32))
