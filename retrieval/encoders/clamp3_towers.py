"""The three networks of CLAMP3, on the stock classes of transformers.

MERT hears 5 s windows, the audio tower reads MERT's rows, the text tower reads tokens; the last two
end in one joint space (sanderwood/clamp3; Wu et al. 2025, arXiv:2502.10362).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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

from retrieval.encoders.canaries import canary_noise, canary_tokens
from retrieval.encoders.checkpoints import Tensors, fit, invalid, part
from retrieval.encoders.clamp3_files import Clamp3Weights
from retrieval.encoders.device import Compute, batch_size
from retrieval.encoders.network import Network

Rows = NDArray[np.float32]

_HEAD = 64
"""Width of an attention head, in every tower."""


class MertRows(torch.nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """MERT's mean over time, then over all hidden states, none of which is kept."""

    def __init__(self, model: HubertModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Rows (n, width) of windows (n, samples)."""
        encoder = self.model.encoder
        frames = self.model.feature_extractor(samples).transpose(1, 2)
        state = self.model.feature_projection(frames)
        state = encoder.layer_norm(state + encoder.pos_conv_embed(state))
        total = state.float().mean(dim=1)
        for layer in encoder.layers:
            found = layer(state)
            # A tuple up to some version of transformers.
            state = found[0] if isinstance(found, tuple) else found
            total = total + state.float().mean(dim=1)
        return total / (len(encoder.layers) + 1)


def build_mert(tensors: Tensors, sizes: Mapping[str, Any], path: Path) -> HubertModel:
    """MERT with its weights, in evaluation mode.

    Args:
        tensors: Under ``HubertModel``'s names.
        sizes: Arguments of its ``HubertConfig``.
        path: Named in errors.

    Raises:
        PreconditionError: MODEL_INVALID if the tensors do not fit.
    """
    config = HubertConfig(
        **sizes,
        num_feat_extract_layers=len(sizes["conv_dim"]),
        conv_bias=False,
        feat_extract_norm="group",
        do_stable_layer_norm=False,
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
        attn_implementation="sdpa",
    )
    with torch.device("meta"):
        model = HubertModel(config)
    fit(model, tensors, path)
    # Multiplied out once instead of at every call.
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    return model.requires_grad_(False).eval()


class MertTower:
    """Windows of 24 kHz sound to one row each: the mean over time, then over all layers."""

    def __init__(self, weights: Clamp3Weights, compute: Compute) -> None:
        """Build the network.

        Args:
            weights: Where its tensors are.
            compute: Where and how it runs.
        """
        model = build_mert(weights.mert, weights.mert_sizes, weights.path)
        self.width = int(model.config.hidden_size)
        self._network = Network(
            MertRows(model).eval(),
            compute,
            name="clamp3 sound",
            identity=f"mert:{weights.digest}",
            dim=self.width,
            batch=batch_size(compute.device, cpu=1, accelerated=32),
            canaries=[canary_noise(2, 24_000), canary_noise(1, 30_000)],
            windows=True,
        )

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> Rows:
        """One row per window, shape (n, width).

        Windows of different lengths never share a batch: the first layer normalises over time, so
        that padding would change the result.
        """
        return self._network(windows)


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


class MeanProjection(torch.nn.Module):  # type: ignore[misc] # as above
    """An encoder, the mean over its outputs, and a projection of that."""

    def __init__(self, model: Any, projection: Any, argument: str) -> None:
        super().__init__()
        self.model, self.projection, self.argument = model, projection, argument

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Vectors (n, dim) of sequences of one length."""
        states = self.model(**{self.argument: batch}).last_hidden_state
        vectors: torch.Tensor = self.projection(states.mean(dim=1))
        return vectors


class _PiecewiseTower:
    """Sequences of any length to one vector each: encoder, mean, projection, mean of pieces."""

    def __init__(
        self,
        module: MeanProjection,
        compute: Compute,
        *,
        name: str,
        identity: str,
        length: int,
        canaries: Sequence[NDArray[Any]],
        rare: bool = False,
    ) -> None:
        self._length = length
        self.dim = int(module.projection.out_features)
        self._network = Network(
            module.eval(),
            compute,
            name=name,
            identity=identity,
            dim=self.dim,
            batch=batch_size(compute.device, cpu=16, accelerated=64),
            canaries=canaries,
            rare=rare,
        )

    def _encode(self, sequences: Sequence[NDArray[Any]]) -> Rows:
        cut = [(i, p) for i, rows in enumerate(sequences) for p in pieces(len(rows), self._length)]
        found = self._network([sequences[i][p.start : p.end] for i, p in cut])
        vectors = np.zeros((len(sequences), self.dim), dtype=np.float64)
        totals = np.zeros((len(sequences), 1), dtype=np.float64)
        for (i, p), vector in zip(cut, found, strict=True):
            vectors[i] += p.weight * vector.astype(np.float64)
            totals[i] += p.weight
        return np.asarray(vectors / totals, dtype=np.float32)


class AudioTower(_PiecewiseTower):
    """MERT's rows to vectors of the joint space."""

    def __init__(self, weights: Clamp3Weights, compute: Compute) -> None:
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
        super().__init__(
            MeanProjection(model, _projection(weights, "audio_proj.", width), "inputs_embeds"),
            compute,
            name="clamp3 tracks",
            identity=f"rows:{weights.digest}",
            length=sizes.audio_length,
            canaries=[canary_noise(2, 5, width), canary_noise(1, sizes.audio_length, width)],
            # A twentieth of a second for each track; another runtime would take one to prepare.
            rare=True,
        )

    def __call__(self, tracks: Sequence[Rows]) -> Rows:
        """One vector per sequence of rows (n, width), n >= 1; shape (len(tracks), dim).

        A zero row goes before and one after, and both count in the mean.
        """
        return self._encode([np.pad(rows, ((1, 1), (0, 0))) for rows in tracks])


class TextTower(_PiecewiseTower):
    """Token ids to vectors of the joint space."""

    def __init__(self, weights: Clamp3Weights, compute: Compute) -> None:
        """Build the network; the arguments are those of ``MertTower``."""
        tensors = part(weights.towers, "text_model.")
        model = _text_model(tensors, weights)
        self.vocabulary = int(model.config.vocab_size)
        projection = _projection(weights, "text_proj.", int(model.config.hidden_size))
        super().__init__(
            MeanProjection(model, projection, "input_ids"),
            compute,
            name="clamp3 text",
            identity=f"text:{weights.digest}",
            length=weights.sizes.text_length,
            canaries=canary_tokens(self.vocabulary),
        )

    def __call__(self, texts: Sequence[NDArray[np.int64]]) -> Rows:
        """One vector per text, its token ids of shape (n,) with ``<s>`` and ``</s>``."""
        return self._encode(texts)


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
