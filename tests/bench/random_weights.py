"""Random weights in the true architectures and file formats, written once beside the tree.

Sizes of the published files are in ``retrieval/encoders/weights_catalogue.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import ClapConfig, ClapModel, HubertConfig, HubertModel, XLMRobertaConfig

from retrieval.encoders.text_checks import CANARIES
from tests.bench.original_clamp3 import (
    CHECKPOINT,
    MERT,
    PATCH,
    PATCHES,
    ROBERTA,
    towers,
)
from tests.models.tiny import MERT_CONFIG

TEXTS = tuple(
    f"{mood} {style} with {part}"
    for mood in ("calm", "wild", "sad", "warm", "distant", "bright", "slow", "restless")
    for style in ("piano", "jazz", "techno", "folk", "opera")
    for part in ("drums", "a choir", "strings")
)
_WORDS = sorted({word for text in (*TEXTS, *CANARIES) for word in text.split()})
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True, slots=True)
class Clamp3Size:
    """What of CLAMP3 and MERT differs between the published size and a small one."""

    width: int = 768
    layers: int = 12
    vocabulary: int = 250_002
    convolutions: int = 512
    positions: int = 128
    groups: int = 16

    @property
    def checkpoint(self) -> str:
        """The name that codes the sizes."""
        w, n = self.width, self.layers
        return (
            f"weights_clamp3_saas_h_size_{w}_t_model_FacebookAI_xlm-roberta-base_t_length_128"
            f"_a_size_{w}_a_layers_{n}_a_length_128"
            f"_s_size_{w}_s_layers_{n}_p_size_{PATCH}_p_length_{PATCHES}.pth"
        )

    @property
    def mert(self) -> dict[str, Any]:
        """MERT's ``config.json``."""
        return MERT_CONFIG | {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.width // 64,
            "intermediate_size": 4 * self.width,
            "conv_dim": [self.convolutions] * 7,
            "num_conv_pos_embeddings": self.positions,
            "num_conv_pos_embedding_groups": self.groups,
        }


@dataclass(frozen=True, slots=True)
class ClapSize:
    """What differs between CLAPs; the default is clap-htsat-unfused, with HTSAT-tiny."""

    name: str = "tiny"
    patches: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    text_width: int = 768
    text_layers: int = 12
    vocabulary: int = 50_265


CLAP_BASE = ClapSize("base", patches=128, depths=(2, 2, 12, 2))


def cached(name: str, write: Callable[[Path], None]) -> Path:
    """A folder of weights, written by the first run on this machine that needs it."""
    place = Path(os.environ.get("BENCH_CACHE") or Path(tempfile.gettempdir()) / "segue-bench")
    folder = place / name
    if not folder.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=place))
        try:
            write(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def write_clamp3(folder: Path, size: Clamp3Size) -> None:
    """CLAMP3 with its score tower and that one's optimizer state, MERT, and the tokenizer."""
    torch.manual_seed(0)
    for name in (CHECKPOINT, MERT, ROBERTA):
        (folder / name).mkdir(parents=True)
    text = XLMRobertaConfig(**_roberta(size.width, size.layers, size))
    parts = towers(size.width, size.layers, text)
    randomise(parts)
    scores = [p for name, p in parts.named_parameters() if name.startswith("symbolic_model.")]
    moments = {
        number: {"step": torch.tensor(1.0), "exp_avg": p * 1e-3, "exp_avg_sq": p * p * 1e-6}
        for number, p in enumerate(p.detach() for p in scores)
    }
    content = {
        "model": parts.state_dict(),
        "optimizer": {"state": moments, "param_groups": [{"params": list(moments)}]},
        "lr_sched": {"last_epoch": 1},
        "epoch": 1,
        "best_epoch": 1,
        "min_eval_loss": 0.0,
        "modality": "saas",
    }
    torch.save(content, folder / CHECKPOINT / size.checkpoint)
    text.save_pretrained(folder / ROBERTA)
    _write_unigram(folder / ROBERTA / "tokenizer.json", size.vocabulary)
    mert = HubertModel(HubertConfig(**size.mert))
    randomise(mert)
    state = mert.state_dict()
    conv = "encoder.pos_conv_embed.conv."
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        state[conv + old] = state.pop(f"{conv}parametrizations.weight.{new}")
    torch.save(state, folder / MERT / "pytorch_model.bin")
    (folder / MERT / "config.json").write_text(json.dumps(size.mert))


def write_clap(folder: Path, size: ClapSize) -> None:
    """CLAP as on the hub, in PyTorch's own format, and the tokenizer."""
    torch.manual_seed(0)
    audio = {
        "patch_embeds_hidden_size": size.patches,
        "hidden_size": size.patches * 2 ** (len(size.depths) - 1),
        "depths": list(size.depths),
        "num_attention_heads": list(size.heads),
    }
    config = ClapConfig(
        text_config=_roberta(size.text_width, size.text_layers, size), audio_config=audio
    )
    model = ClapModel(config)
    randomise(model)
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    _write_bpe(folder / "tokenizer.json", size.vocabulary)


def randomise(model: Any) -> None:
    """Weights that make towers look at their input; the libraries' own hardly do."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_mean"):
                tensor.normal_(-30, 5)
            elif name.endswith("running_var"):
                tensor.uniform_(50, 200)
            elif name.endswith("bias"):
                tensor.normal_(0, 0.05)
            elif tensor.ndim >= 2 and not name.endswith("original0"):
                tensor.normal_(0, 1.2 * tensor[0].numel() ** -0.5)


def _roberta(width: int, layers: int, size: Clamp3Size | ClapSize) -> dict[str, Any]:
    return {
        "vocab_size": size.vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }


def _write_unigram(path: Path, size: int) -> None:
    """SentencePiece's kind, as XLM-R's."""
    letters = {character for word in _WORDS for character in word} | {"▁"}
    known = dict.fromkeys(_SPECIAL, 0.0) | dict.fromkeys(sorted(letters), -20.0)
    known |= {f"▁{word}": -5.0 for word in _WORDS}
    for fresh in _made_up(size):
        if len(known) == size:
            break
        known.setdefault(f"▁{fresh}", -15.0)
    tokenizer = Tokenizer(models.Unigram(list(known.items()), unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    _finish(tokenizer, path, size)


def _write_bpe(path: Path, size: int) -> None:
    """Byte pairs, as RoBERTa's."""
    known = dict.fromkeys((*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())))
    merges: list[tuple[str, str]] = []
    for word in (f"Ġ{word}" for word in (*_WORDS, *_made_up(size))):
        for end in range(1, len(word)):
            if word[: end + 1] not in known and len(known) < size:
                known[word[: end + 1]] = None
                merges.append((word[:end], word[end]))
    numbers = {token: number for number, token in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(numbers, merges, unk_token="<unk>"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    _finish(tokenizer, path, size)


def _made_up(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, size=(2 * count, 8)).astype(np.uint8)
    return [bytes(row[: 4 + number % 5]).decode() for number, row in enumerate(letters)]


def _finish(tokenizer: Any, path: Path, size: int) -> None:
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    if tokenizer.get_vocab_size() != size:
        raise RuntimeError(f"{path}: {tokenizer.get_vocab_size()} tokens instead of {size}")
    tokenizer.save(str(path))
