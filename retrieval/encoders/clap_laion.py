"""LAION's own checkpoints under the names of transformers' ``ClapModel``.

The sizes are inferred from the tensors, so that one loader reads HTSAT-tiny and HTSAT-base, fused
or not; a tensor it cannot explain is an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.encoders.checkpoints import Tensors, invalid, read_torch, take_tensors

if TYPE_CHECKING:
    import torch

# Training wrote its metrics as NumPy scalars; reading those runs nothing.
_SCALAR = np.float64(0).__reduce__()[0]
_SCALARS: tuple[Any, ...] = (
    np.dtype,
    # NumPy 2 moved it, and files of both ages are about.
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")),
)
# Front end and classifier, of no use here, and tables that follow from sizes.
_UNUSED = re.compile(
    r"^(audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\."
    r"|(text|audio)_transform\.)|\.attn_mask$"
)
_RENAMED = (
    (re.compile(r"^text_branch\."), "text_model."),
    (re.compile(r"^audio_branch\."), "audio_model.audio_encoder."),
    (re.compile(r"^((?:text|audio)_projection)\.0\."), r"\1.linear1."),
    (re.compile(r"^((?:text|audio)_projection)\.2\."), r"\1.linear2."),
    (re.compile(r"(\.audio_encoder)\.bn0\."), r"\1.batch_norm."),
    (re.compile(r"(\.blocks\.\d+)\.norm1\."), r"\1.layernorm_before."),
    (re.compile(r"(\.blocks\.\d+)\.norm2\."), r"\1.layernorm_after."),
    (re.compile(r"(\.blocks\.\d+)\.mlp\.fc1\."), r"\1.intermediate.dense."),
    (re.compile(r"(\.blocks\.\d+)\.mlp\.fc2\."), r"\1.output.dense."),
    (re.compile(r"(\.blocks\.\d+)\.attn\.proj\."), r"\1.attention.output.dense."),
    (re.compile(r"(\.blocks\.\d+)\.attn\.(?!qkv\.)"), r"\1.attention.self."),
)
_QKV = re.compile(r"^(.*\.blocks\.\d+)\.attn\.qkv\.(weight|bias)$")
_HEAD = 64
"""Width of an attention head of RoBERTa, at every size."""


def read_state(path: Path) -> Tensors:
    """The tensors of a checkpoint, under the names of LAION's own model.

    Raises:
        PreconditionError: MODEL_MISSING if there is no such file; MODEL_INVALID if it is damaged or
            asks for code to be run.
    """
    content = read_torch(path, allow=_SCALARS)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    tensors = take_tensors(state, path)
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def explain(state: Tensors, path: Path) -> tuple[Tensors, Mapping[str, Any]]:
    """Tensors under ``ClapModel``'s names, and the arguments of its ``ClapConfig``.

    Args:
        state: What ``read_state`` read.
        path: Where from, for errors.

    Raises:
        PreconditionError: MODEL_INVALID if this is no CLAP checkpoint of LAION's.
    """
    tensors = dict(_rename(state))
    try:
        return tensors, _infer(tensors)
    except (KeyError, ValueError, IndexError) as error:
        raise invalid(path, "not a CLAP checkpoint of LAION's") from error


def _rename(tensors: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    for full, tensor in tensors.items():
        name = full
        if _UNUSED.search(name):
            continue
        for pattern, new in _RENAMED:
            name = pattern.sub(new, name)
        if match := _QKV.match(name):
            block, kind = match.groups()
            for role, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                yield f"{block}.attention.self.{role}.{kind}", third
        else:
            yield name, tensor


def _infer(tensors: Tensors) -> dict[str, Any]:
    audio = "audio_model.audio_encoder."
    words, width = tensors["text_model.embeddings.word_embeddings.weight"].shape
    dim, sound_width = tensors["audio_projection.linear1.weight"].shape
    stages = _count(tensors, audio + "layers.")
    depths = [_count(tensors, f"{audio}layers.{stage}.blocks.") for stage in range(stages)]
    table = ".blocks.0.attention.self.relative_position_bias_table"
    biases = [tensors[f"{audio}layers.{stage}{table}"].shape for stage in range(stages)]
    patch = tensors[audio + "patch_embed.proj.weight"].shape
    first = tensors[audio + "layers.0.blocks.0.intermediate.dense.weight"].shape
    fused = audio + "patch_embed.mel_conv2d.weight" in tensors
    return {
        "projection_dim": dim,
        "text_config": {
            "vocab_size": words,
            "hidden_size": width,
            "num_hidden_layers": _count(tensors, "text_model.encoder.layer."),
            "num_attention_heads": max(1, width // _HEAD),
            "intermediate_size": tensors[
                "text_model.encoder.layer.0.intermediate.dense.weight"
            ].shape[0],
            "max_position_embeddings": tensors[
                "text_model.embeddings.position_embeddings.weight"
            ].shape[0],
            "layer_norm_eps": 1e-5,
        },
        "audio_config": {
            "hidden_size": sound_width,
            "num_mel_bins": tensors[audio + "batch_norm.weight"].shape[0],
            "patch_embeds_hidden_size": patch[0],
            "patch_size": patch[2],
            "depths": depths,
            "num_attention_heads": [shape[1] for shape in biases],
            # The table holds all offsets between two places of a window, (2 w - 1)^2.
            "window_size": (round(biases[0][0] ** 0.5) + 1) // 2,
            "mlp_ratio": first[0] / first[1],
            "qkv_bias": audio + "layers.0.blocks.0.attention.self.query.bias" in tensors,
            "enable_patch_layer_norm": audio + "patch_embed.norm.weight" in tensors,
            "enable_fusion": fused,
            "fusion_type": "aff_2d" if fused else None,
        },
    }


def _count(tensors: Tensors, prefix: str) -> int:
    numbers = {k.removeprefix(prefix).split(".")[0] for k in tensors if k.startswith(prefix)}
    return 1 + max(int(number) for number in numbers)
