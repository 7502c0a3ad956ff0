"""LAION's own model with random weights, built and saved as its authors do."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from transformers import BertTokenizer as Bert
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel, RobertaTokenizer

from tests.models.tiny import write_tokenizer

VOCABULARY = 50_265
# As published; the class's own defaults are BERT's.
ROBERTA = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
# Made from sizes, and the front end, which training leaves alone.
FIXED = ("extractor", "attn_mask", "relative_position_index", "position_ids")


def build(amodel: str, *, fused: bool, tokenizer: Path) -> Any:
    """A ``CLAP_Module`` of the package, which gets its downloads from here."""
    words = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), pad_token="<pad>")  # noqa: S106
    with ExitStack() as stack:
        for kind in (RobertaTokenizer, Bert):
            stack.enter_context(mock.patch.object(kind, "from_pretrained", lambda *_: words))
        text = RobertaModel(RobertaConfig(vocab_size=VOCABULARY, **ROBERTA))
        stack.enter_context(mock.patch.object(RobertaModel, "from_pretrained", lambda *_: text))
        import laion_clap

        return laion_clap.CLAP_Module(enable_fusion=fused, device="cpu", amodel=amodel)


def randomise(model: torch.nn.Module, *, seed: int = 0) -> None:
    """Weights so large that the vectors depend on their input as those of a trained model do."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point() or any(word in name for word in FIXED):
                continue
            if name.endswith("running_mean"):
                tensor.normal_(-30, 5) if ".bn0." in name else tensor.normal_(0, 0.3)
            elif name.endswith("running_var"):
                tensor.uniform_(50, 200) if ".bn0." in name else tensor.uniform_(0.5, 2)
            elif tensor.ndim >= 2:
                tensor.normal_(0, 1.5 * tensor[0].numel() ** -0.5)
            elif name.endswith("bias"):
                tensor.normal_(0, 0.1)


def save(model: torch.nn.Module, path: Path, **changed: torch.Tensor) -> None:
    """A checkpoint as training wrote it, some tensors of it changed."""
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    for name, tensor in changed.items():
        assert name in state
        state[name] = tensor
    metrics = {"best": np.float64(0.9), "step": np.int64(3)}
    torch.save({"epoch": 15, "name": "random", "state_dict": state, **metrics}, path)


def write(folder: Path, amodel: str, *, fused: bool) -> tuple[Any, Path]:
    """The package with a model of its own, and the folder's checkpoint of it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = folder / "tokenizer.json"
    write_tokenizer(tokenizer, size=VOCABULARY)
    module = build(amodel, fused=fused, tokenizer=tokenizer)
    randomise(module.model)
    save(module.model, folder / "random.pt")
    # Its own loader unpickles whatever it meets; this file is the one just written.
    module.load_ckpt(str(folder / "random.pt"), verbose=False)
    module.model.eval()
    return module, folder / "random.pt"
