"""Tiny models with seeded random weights, written in the formats of the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from retrieval.encoders.text_checks import CANARIES

WIDTH, LAYERS = 64, 2
CLAMP3_NAME = (
    "weights_clamp3_{flavour}_h_size_64_t_model_FacebookAI_xlm-roberta-base_t_length_128_a_size_64"
    "_a_layers_2_a_length_128_s_size_64_s_layers_2_p_size_64_p_length_512.pth"
)
MERT_CONFIG = {
    "model_type": "mert_model",
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "conv_dim": [16] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "feat_proj_layer_norm": True,
    "feature_extractor_cqt": False,
    "deepnorm": False,
    "attention_relax": -1.0,
    "do_stable_layer_norm": False,
    "feat_extract_norm": "group",
    "conv_bias": False,
    "sample_rate": 24000,
}
WORDS = sorted({"drums", "bird", "slow", "loud", *" ".join(CANARIES).split()})


def write_tokenizer(path: Path, *, size: int | None = None) -> int:
    """A word-level tokenizer in RoBERTa's layout; returns the size of its vocabulary."""
    vocabulary = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    for word in WORDS:
        vocabulary[word] = len(vocabulary)
    while size is not None and len(vocabulary) < size:
        vocabulary[f"filler{len(vocabulary)}"] = len(vocabulary)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 - a word of text
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(path))
    return tokenizer.get_vocab_size()


def write_clamp3(
    folder: Path, *, seed: int = 0, flavour: str = "saas", vocabulary: int | None = None
) -> Path:
    """CLAMP3, MERT and the tokenizer as the reference lays them out; returns the checkpoint."""
    torch.manual_seed(seed)
    for name in ("clamp3", "MERT-v1-95M", "xlm-roberta-base"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    size = write_tokenizer(folder / "xlm-roberta-base" / "tokenizer.json", size=vocabulary)
    bert = BertConfig(
        vocab_size=1,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=1,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=128,
    )
    roberta = XLMRobertaConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=1,
        intermediate_size=128,
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    parts = {
        "audio_model": BertModel(bert),
        "audio_proj": torch.nn.Linear(WIDTH, WIDTH),
        "text_model": XLMRobertaModel(roberta),
        "text_proj": torch.nn.Linear(WIDTH, WIDTH),
        "symbolic_proj": torch.nn.Linear(WIDTH, WIDTH),
    }
    model = {f"{p}.{k}": v for p, m in parts.items() for k, v in m.state_dict().items()}
    checkpoint = folder / "clamp3" / CLAMP3_NAME.format(flavour=flavour)
    torch.save({"model": model, "epoch": 0, "min_eval_loss": 0.0}, checkpoint)

    names = {k: v for k, v in MERT_CONFIG.items() if k not in ("model_type", "sample_rate")}
    mert = HubertModel(HubertConfig(**names)).state_dict()
    conv = "encoder.pos_conv_embed.conv."
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        mert[conv + old] = mert.pop(f"{conv}parametrizations.weight.{new}")
    torch.save(mert, folder / "MERT-v1-95M" / "pytorch_model.bin")
    (folder / "MERT-v1-95M" / "config.json").write_text(json.dumps(MERT_CONFIG))
    (folder / "xlm-roberta-base" / "config.json").write_text('{"model_type": "xlm-roberta"}')
    return checkpoint
