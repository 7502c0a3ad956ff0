"""Tiny CLAPs with seeded random weights, as on the hub and as LAION saved them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from transformers import ClapConfig, ClapModel

from tests.models.tiny import write_tokenizer


def tiny_clap(vocabulary: int, *, fused: bool = False, seed: int = 0) -> ClapModel:
    """A CLAP of some ten thousand weights, its batch norms far from the identity."""
    torch.manual_seed(seed)
    text = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "intermediate_size": 96,
        "max_position_embeddings": 514,
        "layer_norm_eps": 1e-5,
    }
    audio = {
        "hidden_size": 128,
        "patch_embeds_hidden_size": 16,
        "depths": [2, 2, 2, 2],
        "num_attention_heads": [1, 2, 4, 8],
        "enable_fusion": fused,
        "fusion_type": "aff_2d" if fused else None,
    }
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=48)).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_mean"):
                tensor.normal_(-30, 5)
            elif name.endswith("running_var"):
                tensor.uniform_(50, 200)
            # Random weights of the usual size make towers that hardly look at their input.
            elif tensor.is_floating_point() and tensor.ndim >= 2:
                tensor.normal_(0, 1.5 * tensor[0].numel() ** -0.5)
            elif tensor.is_floating_point() and name.endswith("bias"):
                tensor.normal_(0, 0.1)
    return model


def write_hub(folder: Path, *, vocabulary: int | None = None, fused: bool = False) -> ClapModel:
    """A folder as ``hf download`` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = tiny_clap(write_tokenizer(folder / "tokenizer.json", size=vocabulary), fused=fused)
    model.save_pretrained(folder)
    return model


_TO_LAION = (
    (r"^text_model\.", "text_branch."),
    (r"^audio_model\.audio_encoder\.", "audio_branch."),
    (r"_projection\.linear1\.", "_projection.0."),
    (r"_projection\.linear2\.", "_projection.2."),
    (r"^audio_branch\.batch_norm\.", "audio_branch.bn0."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.self\.(relative)", r".attn.\1"),
    (r"^(audio_branch\..*)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"^(audio_branch\..*\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)


def laion_state(model: ClapModel) -> dict[str, torch.Tensor]:
    """The weights under LAION's names, with what only training needed."""
    state = {}
    for full, tensor in model.state_dict().items():
        if full.endswith("token_type_ids"):
            continue
        name = full
        for pattern, new in _TO_LAION[:2]:
            name = re.sub(pattern, new, name)
        if name.startswith("text_branch."):
            state[name] = tensor
            continue
        for pattern, new in _TO_LAION[2:]:
            name = re.sub(pattern, new, name)
        state[name] = tensor
    for name in [n for n in state if ".attention.self.query." in n and n.startswith("audio")]:
        parts = [state.pop(name.replace("query", role)) for role in ("query", "key", "value")]
        state[name.replace("attention.self.query", "attn.qkv")] = torch.cat(parts)
    extra = {
        "audio_branch.spectrogram_extractor.stft.conv_real.weight": torch.ones(3, 1, 3),
        "audio_branch.logmel_extractor.melW": torch.ones(3, 3),
        "audio_branch.tscam_conv.weight": torch.ones(2, 2),
        "audio_branch.head.weight": torch.ones(2, 2),
        "audio_branch.layers.0.blocks.1.attn_mask": torch.ones(2, 2),
        "text_transform.sequential.0.weight": torch.ones(2, 2),
        "audio_transform.sequential.0.weight": torch.ones(2, 2),
    }
    return {f"module.{name}": tensor for name, tensor in (state | extra).items()}


def write_laion(path: Path, model: ClapModel) -> None:
    """A checkpoint as LAION's training wrote it, NumPy scalars and all."""
    content = {
        "epoch": 15,
        "name": "tiny",
        "state_dict": laion_state(model),
        "best": np.float64(0.9),
        "step": np.int64(3),
    }
    torch.save(content, path)
