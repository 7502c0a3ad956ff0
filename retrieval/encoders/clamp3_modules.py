"""The three networks of CLAMP3, on the stock classes of transformers.

MERT hears 5 s windows, the audio tower reads MERT's rows, the text tower reads tokens; the last two
end in one joint space (sanderwood/clamp3; Wu et al. 2025, arXiv:2502.10362).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import parametrize
from transformers import (
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from retrieval.encoders.checkpoints import Tensors, fit, invalid, part
from retrieval.encoders.clamp3_files import Clamp3Facts, Clamp3Weights
from retrieval.encoders.network import Built
from retrieval.encoders.weights_folder import sha256_of

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


class Clamp3Modules:
    """The networks with their weights.

    Attributes:
        facts: What is worth remembering of them.
    """

    def __init__(self, weights: Clamp3Weights) -> None:
        """Build them.

        Args:
            weights: Their tensors and sizes.

        Raises:
            PreconditionError: MODEL_INVALID if the tensors do not fit.
        """
        files, sizes = weights.files, weights.sizes
        mert = build_mert(weights.mert, weights.mert_sizes, files.towers)
        width = int(mert.config.hidden_size)
        if width != sizes.audio_size:
            raise invalid(
                files.towers, f"it reads rows of {sizes.audio_size}, and this MERT's have {width}"
            )
        rows = _audio_model(weights)
        text = _text_model(weights)
        self.mert = Built(MertRows(mert).eval(), files.mert)
        projection = _projection(weights, "audio_proj.", width)
        self.tracks = Built(MeanProjection(rows, projection, "inputs_embeds").eval(), files.towers)
        projection = _projection(weights, "text_proj.", int(text.config.hidden_size))
        self.texts = Built(MeanProjection(text, projection, "input_ids").eval(), files.towers)
        self.facts = Clamp3Facts(
            digest=weights.digest,
            words=sha256_of(files.tokenizer),
            hidden=sizes.hidden,
            text_length=sizes.text_length,
            audio_size=sizes.audio_size,
            audio_length=sizes.audio_length,
            vocabulary=int(text.config.vocab_size),
        )


def _audio_model(weights: Clamp3Weights) -> Any:
    sizes, width = weights.sizes, weights.sizes.audio_size
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
    fit(model, part(weights.towers, "audio_model."), weights.files.towers)
    return model


def _text_model(weights: Clamp3Weights) -> Any:
    tensors = part(weights.towers, "text_model.")
    try:
        vocabulary, width = tensors["embeddings.word_embeddings.weight"].shape
        positions = tensors["embeddings.position_embeddings.weight"].shape[0]
        inner = tensors["encoder.layer.0.intermediate.dense.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise invalid(weights.files.towers, "its text tower is none of XLM-R's") from error
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
    fit(model, tensors, weights.files.towers)
    return model


def _projection(weights: Clamp3Weights, prefix: str, width: int) -> Any:
    with torch.device("meta"):
        projection = torch.nn.Linear(width, weights.sizes.hidden)
    fit(projection, part(weights.towers, prefix), weights.files.towers)
    return projection
