"""The three networks of CLAMP3, on the stock classes of transformers.

MERT hears 5 s windows, the audio tower reads MERT's rows, the text tower reads tokens; the last two
end in one joint space (sanderwood/clamp3; Wu et al. 2025, arXiv:2502.10362).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import parametrize
from transformers import (
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from retrieval.encoders.batching import by_length
from retrieval.encoders.checkpoints import Tensors, fit, invalid, part
from retrieval.encoders.clamp3_files import Clamp3Weights

Rows = NDArray[np.float32]

_HEAD = 64
"""Width of an attention head, in every tower."""


class MertTower:
    """Windows of 24 kHz sound to one row each: the mean over time, then over all layers."""

    def __init__(self, weights: Clamp3Weights, device: torch.device, *, batch: int) -> None:
        """Build the network.

        Args:
            weights: Where its tensors are.
            device: Where it runs.
            batch: Windows of one length that go through at once.
        """
        config = HubertConfig(
            **weights.mert_sizes,
            num_feat_extract_layers=len(weights.mert_sizes["conv_dim"]),
            conv_bias=False,
            feat_extract_norm="group",
            do_stable_layer_norm=False,
            mask_time_prob=0.0,
            mask_feature_prob=0.0,
            attn_implementation="sdpa",
        )
        with torch.device("meta"):
            self._model = HubertModel(config)
        fit(self._model, weights.mert, weights.path)
        # Multiplied out once instead of at every call.
        parametrize.remove_parametrizations(self._model.encoder.pos_conv_embed.conv, "weight")
        self._model.requires_grad_(False).to(device)
        self._device = device
        self._batch = batch
        self.width = int(config.hidden_size)

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> Rows:
        """One row per window, shape (n, width).

        Windows of different lengths never share a batch: the first layer normalises over time, so
        that padding would change the result.
        """
        rows = np.empty((len(windows), self.width), dtype=np.float32)
        for places in by_length([len(window) for window in windows], self._batch):
            batch = torch.from_numpy(np.stack([windows[place] for place in places]))
            with torch.inference_mode():
                states = self._model(
                    batch.to(self._device), output_hidden_states=True
                ).hidden_states
                row = torch.stack([state.mean(dim=1) for state in states]).mean(dim=0)
            rows[places] = row.cpu().numpy()
        return rows


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of at most ``length`` rows, and what it counts in the mean over pieces."""

    start: int
    end: int
    weight: int


def pieces(count: int, length: int) -> list[Piece]:
    """Cut ``count`` >= 1 rows into pieces as CLAMP3 does.

    The last piece is always the last ``length`` rows, so it overlaps the one before, and counts
    only for the rows that no other piece has.
    """
    if count <= length:
        return [Piece(0, count, count)]
    whole = [Piece(start, start + length, length) for start in range(0, count - length + 1, length)]
    rest = count % length
    return [*whole, Piece(count - length, count, rest)] if rest else whole


class _PiecewiseTower:
    """Sequences of any length to one vector each: encoder, mean, projection, mean of pieces."""

    def __init__(self, model: Any, projection: Any, device: torch.device, length: int) -> None:
        self._model = model.to(device)
        self._projection = projection.to(device)
        self._device = device
        self._length = length
        self.dim = int(projection.out_features)

    def _encode(self, sequences: Sequence[NDArray[Any]], argument: str, batch: int) -> Rows:
        cut = [(i, p) for i, rows in enumerate(sequences) for p in pieces(len(rows), self._length)]
        vectors = np.zeros((len(sequences), self.dim), dtype=np.float64)
        totals = np.zeros((len(sequences), 1), dtype=np.float64)
        for places in by_length([p.end - p.start for _, p in cut], batch):
            chosen = [cut[place] for place in places]
            stack = np.stack([sequences[i][p.start : p.end] for i, p in chosen])
            with torch.inference_mode():
                inputs = {argument: torch.from_numpy(stack).to(self._device)}
                states = self._model(**inputs).last_hidden_state
                found = self._projection(states.mean(dim=1)).cpu().numpy()
            for (i, p), vector in zip(chosen, found, strict=True):
                vectors[i] += p.weight * vector.astype(np.float64)
                totals[i] += p.weight
        return np.asarray(vectors / totals, dtype=np.float32)


class AudioTower(_PiecewiseTower):
    """MERT's rows to vectors of the joint space."""

    def __init__(self, weights: Clamp3Weights, device: torch.device, *, batch: int) -> None:
        """Build the network; the arguments are those of ``MertTower``."""
        sizes, width = weights.sizes, weights.sizes.audio_size
        tensors = part(weights.towers, "audio_model.")
        config = BertConfig(
            vocab_size=1,
            hidden_size=width,
            num_hidden_layers=sizes.audio_layers,
            num_attention_heads=max(1, width // _HEAD),
            intermediate_size=4 * width,
            max_position_embeddings=sizes.audio_length,
            layer_norm_eps=1e-12,
            attn_implementation="sdpa",
        )
        with torch.device("meta"):
            model = BertModel(config, add_pooling_layer=False)
        fit(model, tensors, weights.path)
        projection = _projection(weights, "audio_proj.", width)
        super().__init__(model, projection, device, sizes.audio_length)
        self._batch = batch

    def __call__(self, tracks: Sequence[Rows]) -> Rows:
        """One vector per sequence of rows (n, width), n >= 1; shape (len(tracks), dim).

        A zero row goes before and one after, and both count in the mean.
        """
        framed = [np.pad(rows, ((1, 1), (0, 0))) for rows in tracks]
        return self._encode(framed, "inputs_embeds", self._batch)


class TextTower(_PiecewiseTower):
    """Token ids to vectors of the joint space."""

    def __init__(self, weights: Clamp3Weights, device: torch.device, *, batch: int) -> None:
        """Build the network; the arguments are those of ``MertTower``."""
        tensors = part(weights.towers, "text_model.")
        model = _text_model(tensors, weights)
        self.vocabulary = int(model.config.vocab_size)
        projection = _projection(weights, "text_proj.", int(model.config.hidden_size))
        super().__init__(model, projection, device, weights.sizes.text_length)
        self._batch = batch

    def __call__(self, texts: Sequence[NDArray[np.int64]]) -> Rows:
        """One vector per text, its token ids of shape (n,) with ``<s>`` and ``</s>``."""
        return self._encode(texts, "input_ids", self._batch)


def _text_model(tensors: Tensors, weights: Clamp3Weights) -> Any:
    try:
        vocabulary, width = tensors["embeddings.word_embeddings.weight"].shape
        positions = tensors["embeddings.position_embeddings.weight"].shape[0]
        inner = tensors["encoder.layer.0.intermediate.dense.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise invalid(weights.path, "its text tower is none of XLM-R's") from error
    layers = 1 + max(int(k.split(".")[2]) for k in tensors if k.startswith("encoder.layer."))
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // _HEAD),
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        attn_implementation="sdpa",
    )
    with torch.device("meta"):
        model = XLMRobertaModel(config, add_pooling_layer=False)
    fit(model, tensors, weights.path)
    return model


def _projection(weights: Clamp3Weights, prefix: str, width: int) -> Any:
    with torch.device("meta"):
        projection = torch.nn.Linear(width, weights.sizes.hidden)
    fit(projection, part(weights.towers, prefix), weights.path)
    return projection
